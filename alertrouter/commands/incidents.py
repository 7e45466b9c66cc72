"""`alertrouter incidents ...`: the API of a running service from the terminal."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from alertrouter.commands.console import (
    COLOURS,
    DEFAULT_BY,
    AsJson,
    By,
    NoAnswerError,
    answer_of,
    ask,
    coloured,
    fail,
    hint_at_more,
    in_path,
    plain,
    print_json,
    settings_or_fail,
)

app = typer.Typer(no_args_is_help=True, help="Incidents of a running service (ALERTROUTER_URL, ALERTROUTER_API_TOKEN).")


class Status(StrEnum):
    """Which incidents."""

    OPEN = "open"
    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    ALL = "all"


@app.command("list")
def list_(
    status: Annotated[Status, typer.Option(help="Which of them.")] = Status.OPEN,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    as_json: AsJson = False,
) -> None:
    """List incidents, newest first."""
    wanted: dict[str, Any] = {"limit": limit} | ({} if status is Status.ALL else {"status": status.value})
    found = ask("GET", "/api/v1/incidents", params=wanted)
    if as_json:
        print_json(found)
        return
    if not found["incidents"]:
        typer.echo("no incident is like that" if status is not Status.OPEN else "no incident is open", err=True)
    for one in found["incidents"]:
        severity = coloured(f"{one['severity']:<8}", COLOURS[one["severity"]])
        typer.echo(f"{one['id']}  {severity}  {one['status']:<12}  {one['opened_at']}  {plain(one['title'])}")
    hint_at_more(found)


@app.command()
def show(incident: str, as_json: AsJson = False) -> None:
    """Show one incident with its timeline and runbook."""
    one = ask("GET", f"/api/v1/incidents/{in_path(incident)}")
    if as_json:
        print_json(one)
        return
    _brief(one)
    for entry in one["timeline"]:
        typer.echo(f"  {entry['at']}  {plain(entry['text'])}")
    if one["runbook"]:
        found = one["runbook"]
        typer.echo(plain(f"\n{found['title']}  {found['url']}\n\n{found['markdown']}"))


@app.command()
def ack(incident: str, by: By = DEFAULT_BY, as_json: AsJson = False) -> None:
    """Take an incident."""
    _act(incident, "acknowledge", {"by": by}, as_json)


@app.command()
def resolve(incident: str, by: By = DEFAULT_BY, as_json: AsJson = False) -> None:
    """Close an incident."""
    _act(incident, "resolve", {"by": by}, as_json)


@app.command()
def escalate(
    incident: str, step: Annotated[int | None, typer.Option()] = None, by: By = DEFAULT_BY, as_json: AsJson = False
) -> None:
    """Take the next escalation step now, or the one with that number."""
    _act(incident, "escalate", {"by": by} | ({} if step is None else {"step": step}), as_json)


@app.command()
def snooze(
    incident: str,
    for_: Annotated[str, typer.Option("--for", help="15m, 1h30m ...")],
    by: By = DEFAULT_BY,
    as_json: AsJson = False,
) -> None:
    """Delay the next escalation steps."""
    _act(incident, "snooze", {"by": by, "for": for_}, as_json)


@app.command()
def watch(every: Annotated[float, typer.Option(help="Seconds from one look to the next.", min=0.2)] = 2) -> None:
    """A board of the open incidents, the most urgent first, until Ctrl-C."""
    from alertrouter.commands.board import show_board  # noqa: PLC0415 - slow to import

    settings = settings_or_fail()
    wanted = {"status": "open", "limit": 500}
    try:
        show_board(lambda: answer_of(settings, "GET", "/api/v1/incidents", params=wanted)["incidents"], every)
    except NoAnswerError as problem:
        fail(str(problem))


def _act(incident: str, action: str, body: dict[str, Any], as_json: bool) -> None:
    one = ask("POST", f"/api/v1/incidents/{in_path(incident)}/{action}", json=body)
    (print_json if as_json else _brief)(one)


def _brief(one: dict[str, Any]) -> None:
    due = one["escalation"]["due_at"]
    following = f"; next step at {due}" if due else ""
    typer.echo(f"{one['id']}  {one['severity']}  {one['status']}  {plain(one['title'])}{following}")
