"""`alertrouter check`: everything that is wrong before it is started."""

from importlib.util import find_spec

import typer

from alertrouter.commands.console import fail, settings_or_fail
from alertrouter.routing import Routing
from alertrouter.routing_file import RoutingFileError, read_routing
from alertrouter.settings import Settings, in_clear


def check() -> None:
    """Check the settings, the routing file and the runbooks; 1 if anything is wrong."""
    from alertrouter.commands import runbooks  # noqa: PLC0415 - `serve` asks for what is missing, and wants no lint

    settings = settings_or_fail()
    library = runbooks.load(settings)
    try:
        routing = read_routing(settings.config, settings)
        problems = missing(settings, routing)
    except RoutingFileError as error:
        routing, problems = Routing((), (), ""), list(error.problems)
    wrong = [one for one in runbooks.findings(library, settings, routing, None) if one.level == "error"]
    problems += [f"{one.path}:{one.line}: {one.message}" for one in wrong if routing.targets or one.code != "unknown-target"]
    if problems:
        fail(*problems)
    typer.echo(f"all well: {len(routing.fingerprints())} targets, {len(library.shelf.documents)} runbooks")


def missing(settings: Settings, routing: Routing) -> list[str]:
    """What stops the start although every setting is well-formed."""
    problems = []
    if not routing.fingerprints():
        problems.append("ALERTROUTER_PAGERDUTY_ROUTING_KEY: set it to the integration key of a PagerDuty service (Events API v2)")
    if "runbooks_dir" in settings.model_fields_set:
        missing = [folder for folder in settings.runbooks_dir if not folder.is_dir()]
        problems += [f"ALERTROUTER_RUNBOOKS_DIR: there is no folder {folder}" for folder in missing]
    problems += _wrong_fallback(settings)
    if settings.auth == "oidc" and find_spec("authlib") is None:
        problems.append("ALERTROUTER_AUTH: oidc wants Authlib: install alertrouter[oidc]")
    if settings.escalate_to and routing.target_named(settings.escalate_to) is None:
        problems.append(f"ALERTROUTER_ESCALATE_TO: there is no target {settings.escalate_to}")
    return problems


def _wrong_fallback(settings: Settings) -> list[str]:
    """Why pages could not go other ways; the addresses hold passwords and are not shown."""
    if not settings.fallback_urls:
        return []
    try:
        from alertrouter.fallback import FallbackUrlError, Ways  # noqa: PLC0415 - an extra
    except ImportError:
        return ["ALERTROUTER_FALLBACK_URLS: it wants Apprise: install alertrouter[fallback]"]
    try:
        Ways(in_clear(settings.fallback_urls))
    except FallbackUrlError as problem:
        return [f"ALERTROUTER_FALLBACK_URLS: {problem}"]
    return []
