"""The commands.

What only some of them need is imported where it is used: `alertrouter incidents` must not wait for a web server and a
database layer to be loaded.
"""

import os
import sys
from importlib.metadata import version
from importlib.util import find_spec
from typing import Annotated

import typer

from alertrouter import (
    change_commands,
    database_commands,
    delivery_commands,
    drill_command,
    incident_commands,
    routing_commands,
    runbook_commands,
)
from alertrouter.console import fail, routing_or_fail, settings_or_fail
from alertrouter.database_commands import database_errors
from alertrouter.routing import Routing
from alertrouter.routing_file import RoutingFileError, read_routing
from alertrouter.settings import Settings, in_clear, unknown_variables

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(database_commands.app, name="db")
app.add_typer(incident_commands.app, name="incidents")
app.add_typer(runbook_commands.app, name="runbooks")
app.add_typer(routing_commands.config, name="config")
app.add_typer(routing_commands.routes, name="routes")
app.command()(drill_command.drill)
app.add_typer(delivery_commands.app, name="deliveries")
app.command()(change_commands.change)

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
Host = Annotated[str | None, typer.Option(help="Address to listen on; default ALERTROUTER_HOST.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; default ALERTROUTER_PORT.")]


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"alertrouter {version('alertrouter')}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Stands between Alertmanager and PagerDuty."""


@app.command()
def serve(host: Host = None, port: Port = None) -> None:
    """Run the service; its database is created or migrated first."""
    import structlog

    from alertrouter import logs, traces
    from alertrouter.server import run, server
    from alertrouter.service import Service
    from alertrouter.web.app import create_app

    settings = settings_or_fail()
    routing = routing_or_fail(settings)
    if problem := _missing(settings, routing):
        fail(*problem)
    logs.configure(settings.log_format)
    try:
        traces.start()
    except traces.TracesError as problem:
        fail(str(problem))
    for line in unknown_variables(dict(os.environ)):
        structlog.get_logger().warning("a setting means nothing", variable=line)
    if settings.auth == "none" and (host or settings.host) not in _LOOPBACK:
        structlog.get_logger().warning("whoever reaches this address can read and press everything: see ALERTROUTER_AUTH")
    with database_errors():
        service = Service(settings, routing)
        service.prepare()
    try:
        run(server(create_app(service), host or settings.host, port or settings.port))
    finally:
        traces.stop()


def _missing(settings: Settings, routing: Routing) -> list[str]:
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
        from alertrouter.fallback import FallbackUrlError, Ways
    except ImportError:
        return ["ALERTROUTER_FALLBACK_URLS: it wants Apprise: install alertrouter[fallback]"]
    try:
        Ways(in_clear(settings.fallback_urls))
    except FallbackUrlError as problem:
        return [f"ALERTROUTER_FALLBACK_URLS: {problem}"]
    return []


@app.command()
def demo(
    speed: Annotated[float, typer.Option(help="How many times faster time goes.", min=1, max=1000)] = 60,
    port: Port = None,
) -> None:
    """Run the service with a PagerDuty sandbox, the sample runbooks and a told story of incidents."""
    from alertrouter.demo import run_demo

    run_demo(speed, port or settings_or_fail().port)


@app.command()
def sandbox(host: Host = None, port: Port = None) -> None:
    """Run the strict PagerDuty alone: set ALERTROUTER_PAGERDUTY_EVENTS_URL of a service to its address."""
    from alertrouter.sandbox import create_sandbox
    from alertrouter.server import run, server

    host, port = host or "127.0.0.1", port or 8099
    typer.echo(f"PagerDuty sandbox: http://{host}:{port}")
    run(server(create_sandbox(), host, port))


@app.command()
def check() -> None:
    """Check the settings, the routing file and the runbooks; 1 if anything is wrong."""
    settings = settings_or_fail()
    library = runbook_commands.load(settings)
    try:
        routing = read_routing(settings.config, settings)
        problems = _missing(settings, routing)
    except RoutingFileError as error:
        routing, problems = Routing((), (), ""), list(error.problems)
    wrong = [one for one in runbook_commands.findings(library, settings, routing, None) if one.level == "error"]
    problems += [f"{one.path}:{one.line}: {one.message}" for one in wrong if routing.targets or one.code != "unknown-target"]
    if problems:
        fail(*problems)
    typer.echo(f"all well: {len(routing.fingerprints())} targets, {len(library.shelf.documents)} runbooks")


if __name__ == "__main__":
    sys.exit(app())
