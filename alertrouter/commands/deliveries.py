"""`alertrouter deliveries ...`: what PagerDuty refused or has not got yet, over the API of a running service."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from alertrouter.commands.console import DEFAULT_BY, AsJson, By, ask, hint_at_more, plain, print_json

app = typer.Typer(no_args_is_help=True, help="Events owed to PagerDuty (ALERTROUTER_URL, ALERTROUTER_API_TOKEN).")


class State(StrEnum):
    """What has become of a delivery."""

    DEAD = "dead"
    PENDING = "pending"
    SENT = "sent"
    SUPERSEDED = "superseded"
    ALL = "all"


@app.command("list")
def list_(
    state: Annotated[State, typer.Option(help="Which of them.")] = State.DEAD,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    as_json: AsJson = False,
) -> None:
    """List deliveries, newest first: by default the dead ones, with PagerDuty's own errors."""
    wanted: dict[str, Any] = {"limit": limit} | ({} if state is State.ALL else {"state": state.value})
    found = ask("GET", "/api/v1/deliveries", params=wanted)
    if as_json:
        print_json(found)
        return
    for one in found["deliveries"]:
        _brief(one)
    hint_at_more(found)


@app.command()
def retry(delivery: int, by: By = DEFAULT_BY, as_json: AsJson = False) -> None:
    """Send a dead one again, or a pending one now."""
    _do(delivery, "retry", by, as_json)


@app.command()
def discard(delivery: int, by: By = DEFAULT_BY, as_json: AsJson = False) -> None:
    """Drop a dead or a pending one for good."""
    _do(delivery, "discard", by, as_json)


def _do(delivery: int, action: str, by: str, as_json: bool) -> None:
    one = ask("POST", f"/api/v1/deliveries/{delivery}/{action}", json={"by": by})
    (print_json if as_json else _brief)(one)


def _brief(one: dict[str, Any]) -> None:
    why = f"  {plain(one['error'])}" if one["error"] else ""
    what = f"{one['action']} to {one['target']}"
    typer.echo(f"{one['id']:>6}  {one['state']:<10}  {what:<24}  {one['attempts']} attempts  {one['incident']}{why}")
