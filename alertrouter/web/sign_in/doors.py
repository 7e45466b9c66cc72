"""The way in that the settings name."""

from alertrouter.settings import Settings
from alertrouter.web.sign_in.proxy import Proxy
from alertrouter.web.sign_in.viewer import Door


def door_of(settings: Settings) -> Door | None:
    """The way in that AUTH names; the libraries of the others are not imported."""
    if settings.auth == "basic":
        from alertrouter.web.sign_in.basic import Basic  # noqa: PLC0415

        return Basic(settings.users)
    if settings.auth == "proxy":
        return Proxy(settings.auth_header, settings.auth_networks)
    if settings.auth == "oidc":
        from alertrouter.web.sign_in.oidc import Oidc  # noqa: PLC0415

        return Oidc(settings)
    return None
