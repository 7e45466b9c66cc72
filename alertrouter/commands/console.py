"""What the commands share: settings, the routing file, asking a running service, and ending with a clear line."""

import json
import os
import re
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import httpx
import typer
from pydantic import SecretStr

from alertrouter.routing import Routing
from alertrouter.settings import Settings, SettingsError, load_settings

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
By = Annotated[str, typer.Option(help="Who does it, for the timeline.")]
COLOURS = {"critical": "red", "error": "bright_red", "warning": "yellow", "info": "blue"}
"""The severities, the worst first."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
DEFAULT_BY = os.environ.get("USER", "terminal")


def coloured(text: str, colour: str) -> str:
    """Text in a colour, which only a terminal gets, and none where NO_COLOR is set (https://no-color.org)."""
    return text if os.environ.get("NO_COLOR") else typer.style(text, fg=colour)


def plain(text: str) -> str:
    """Text of somebody else's without what a terminal would obey; lines and tabs stay."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def hint_at_more(found: dict[str, Any]) -> None:
    """Say so where a list goes on: beside it, for whoever reads it and no program."""
    if found["next"]:
        typer.echo("there are more: see --limit", err=True)


def print_json(found: Any) -> None:
    """What the API answered, for programs."""
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))


def fail(*lines: str) -> NoReturn:
    """Say what is wrong, a line each, and end with 1."""
    for line in lines:
        typer.echo(f"alertrouter: {plain(line)}", err=True)
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


class NoAnswerError(Exception):
    """The service could not be asked, or refused; the text says why, and what to do."""


def ask(method: str, path: str, *, token: SecretStr | None = None, **given: Any) -> dict[str, Any]:
    """What the service at ALERTROUTER_URL answers, with `token` or else ALERTROUTER_API_TOKEN; an error ends the command."""
    try:
        return answer_of(settings_or_fail(), method, path, token=token, **given)
    except NoAnswerError as problem:
        fail(str(problem))


def answer_of(settings: Settings, method: str, path: str, *, token: SecretStr | None = None, **given: Any) -> dict[str, Any]:
    """The same for whoever goes on after an error. Raises NoAnswerError."""
    token = token or settings.api_token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    try:
        answer = httpx.request(method, settings.url.rstrip("/") + path, headers=headers, timeout=10, **given)
        body: dict[str, Any] = answer.json()
    except httpx.HTTPError as problem:
        raise NoAnswerError(f"{settings.url} does not answer: {reason_of(problem)} (ALERTROUTER_URL)") from None
    except UnicodeError:
        raise NoAnswerError("what was given is no UTF-8 text") from None
    except ValueError:
        raise NoAnswerError(f"{settings.url} did not answer as alertrouter does (ALERTROUTER_URL)") from None
    if answer.is_error:
        raise NoAnswerError(str(body.get("error", answer.status_code)) + _advice(answer, path, is_known=token is not None))
    return body


def _advice(answer: httpx.Response, path: str, *, is_known: bool) -> str:
    """What to do about a refusal of the API's: its own text names the setting of the service."""
    if answer.status_code not in {401, 403} or not path.startswith("/api/"):
        return ""
    return "; the one in ALERTROUTER_API_TOKEN does not do" if is_known else "; give it in ALERTROUTER_API_TOKEN"


def reason_of(problem: httpx.HTTPError) -> str:
    """Why nobody answered, as the system says it; the kind of the error where it says nothing."""
    return re.sub(r"^\[Errno -?\d+\] ", "", str(problem)) or type(problem).__name__


def in_path(name: str) -> str:
    """A name as a part of a path, whatever it holds."""
    return quote(name, safe="")
