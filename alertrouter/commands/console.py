"""What the commands share: settings, the routing file, asking a running service, and ending with a clear line."""

import os
from typing import Annotated, Any, NoReturn

import httpx
import typer
from pydantic import SecretStr

from alertrouter.routing import Routing
from alertrouter.settings import Settings, SettingsError, load_settings

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
By = Annotated[str, typer.Option(help="Who does it, for the timeline.")]
COLOURS = {"critical": "red", "error": "bright_red", "warning": "yellow", "info": "blue"}
"""The severities, the worst first."""
DEFAULT_BY = os.environ.get("USER", "terminal")


def coloured(text: str, colour: str) -> str:
    """Text in a colour, which only a terminal gets, and none where NO_COLOR is set (https://no-color.org)."""
    return text if os.environ.get("NO_COLOR") else typer.style(text, fg=colour)


def fail(*lines: str) -> NoReturn:
    """Say what is wrong, a line each, and end with 1."""
    for line in lines:
        typer.echo(f"alertrouter: {line}", err=True)
    raise typer.Exit(1)


def settings_or_fail() -> Settings:
    """The settings of this process's environment."""
    try:
        return load_settings()
    except SettingsError as problem:
        fail(*problem.lines)


def routing_or_fail(settings: Settings, *, with_keys: bool = True) -> Routing:
    """The routing file; without keys it can be read where the secrets are not, such as in CI."""
    from alertrouter.routing_file import RoutingFileError, read_routing  # noqa: PLC0415 - slow to import, and not wanted by most

    try:
        return read_routing(settings.config, settings, with_keys=with_keys)
    except RoutingFileError as problem:
        fail(*problem.problems)


def ask(method: str, path: str, *, token: SecretStr | None = None, **given: Any) -> dict[str, Any]:
    """What the service at ALERTROUTER_URL answers, with `token` or else ALERTROUTER_API_TOKEN; an error ends the command."""
    settings = settings_or_fail()
    token = token or settings.api_token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    try:
        answer = httpx.request(method, settings.url.rstrip("/") + path, headers=headers, timeout=10, **given)
        body: dict[str, Any] = answer.json()
    except httpx.HTTPError as problem:
        fail(f"{settings.url} cannot be asked: {problem} (ALERTROUTER_URL)")
    except UnicodeError:
        fail("what was given is no UTF-8 text")
    except ValueError:
        fail(f"{settings.url} did not answer as alertrouter does (ALERTROUTER_URL)")
    if answer.is_error:
        fail(str(body.get("error", answer.status_code)))
    return body
