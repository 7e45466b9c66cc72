"""`alertrouter deliveries ...`: what PagerDuty refused or has not got yet, over the API of a running service."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from alertrouter.commands.console import DEFAULT_BY, By, ask

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
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's JSON.")] = False,
) -> None:
    """List deliveries, newest first: by default the dead ones, with PagerDuty's own errors."""
    wanted: dict[str, Any] = {"limit": limit} | ({} if state is State.ALL else {"state": state.value})
    found = ask("GET", "/api/v1/deliveries", params=wanted)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for one in found["deliveries"]:
        _brief(one)


@app.command()
def retry(delivery: int, by: By = DEFAULT_BY) -> None:
    """Send a dead one again, or a pending one now."""
    _brief(ask("POST", f"/api/v1/deliveries/{delivery}/retry", json={"by": by}))


@app.command()
def discard(delivery: int, by: By = DEFAULT_BY) -> None:
    """Drop a dead or a pending one for good."""
    _brief(ask("POST", f"/api/v1/deliveries/{delivery}/discard", json={"by": by}))


def _brief(one: dict[str, Any]) -> None:
    why = f"  {one['error']}" if one["error"] else ""
    what = f"{one['action']} to {one['target']}"
    typer.echo(f"{one['id']:>6}  {one['state']:<10}  {what:<24}  {one['attempts']} attempts  {one['incident']}{why}")
