"""`alertrouter serve`, `demo` and `sandbox`: what goes on until it is stopped."""

import os
from typing import Annotated

import structlog
import typer

from alertrouter import logs, traces
from alertrouter.commands.checking import missing
from alertrouter.commands.console import fail, routing_or_fail, settings_or_fail
from alertrouter.commands.database import database_errors
from alertrouter.server import run, server
from alertrouter.settings import unknown_variables

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
Host = Annotated[str | None, typer.Option(help="Address to listen on; default ALERTROUTER_HOST.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; default ALERTROUTER_PORT.")]


def serve(host: Host = None, port: Port = None) -> None:
    """Run the service; its database is created or migrated first."""
    from alertrouter.service import Service  # noqa: PLC0415 - slow to import, and not wanted by the others
    from alertrouter.web.app import create_app  # noqa: PLC0415

    settings = settings_or_fail()
    routing = routing_or_fail(settings)
    if problem := missing(settings, routing):
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


def demo(
    speed: Annotated[float, typer.Option(help="How many times faster time goes.", min=1, max=1000)] = 60,
    port: Port = None,
) -> None:
    """Run the service with a PagerDuty sandbox, the sample runbooks and a told story of incidents."""
    from alertrouter.demo import run_demo  # noqa: PLC0415

    run_demo(speed, port or settings_or_fail().port)


def sandbox(host: Host = None, port: Port = None) -> None:
    """Run the strict PagerDuty alone: set ALERTROUTER_PAGERDUTY_EVENTS_URL of a service to its address."""
    from alertrouter.sandbox import create_sandbox  # noqa: PLC0415

    host, port = host or "127.0.0.1", port or 8099
    typer.echo(f"PagerDuty sandbox: http://{host}:{port}")
    run(server(create_sandbox(), host, port))
