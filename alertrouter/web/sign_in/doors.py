"""The way in that the settings name."""

from alertrouter.settings import Settings
from alertrouter.web.sign_in.basic import Basic
from alertrouter.web.sign_in.proxy import Proxy
from alertrouter.web.sign_in.viewer import Door


def door_of(settings: Settings) -> Door | None:
    """The way in that AUTH names."""
    if settings.auth == "basic":
        return Basic(settings.users)
    if settings.auth == "proxy":
        return Proxy(settings.auth_header, settings.auth_networks)
    if settings.auth == "oidc":
        from alertrouter.web.sign_in.oidc import Oidc  # noqa: PLC0415 - slow to import, and few need it

        return Oidc(settings)
    return None
