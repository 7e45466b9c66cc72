"""`alertrouter drill`: is the way from an alert to somebody's phone open? Fit for cron."""

import json
from collections.abc import Sequence
from typing import Annotated

import httpx
import typer

from alertrouter.commands.console import AsJson, fail, settings_or_fail
from alertrouter.drill import Drill, DrillError, Leg
from alertrouter.settings import in_clear


def drill(
    target: Annotated[str, typer.Option(help="Whom to page; default: the default target.")] = "",
    escalate: Annotated[bool, typer.Option("--escalate", help="Take the first escalation step, too.")] = False,
    seconds: Annotated[float, typer.Option(help="How long a leg may take.", min=1)] = 30,
    as_json: AsJson = False,
) -> None:
    """Page through the running service (ALERTROUTER_URL), follow the page to PagerDuty, resolve it; 1 if a leg failed.

    Shows the first of ALERTROUTER_WEBHOOK_TOKENS to the webhook, ALERTROUTER_API_TOKEN to the API (and to the webhook without the
    other).
    """
    settings = settings_or_fail()
    token = settings.api_token.get_secret_value() if settings.api_token else ""
    webhook_token = next(iter(in_clear(settings.webhook_tokens)), token)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=settings.url, headers=headers, timeout=10) as http:
        try:
            legs: list[Leg] = []
            unproven = Drill(http, webhook_token, target, seconds, legs.append if as_json else _show).run(escalate=escalate)
        except DrillError as problem:
            if as_json:
                typer.echo(_for_programs(legs, [], str(problem)))
                raise typer.Exit(1) from None
            fail(str(problem))
    if as_json:
        typer.echo(_for_programs(legs, unproven, None))
        return
    for line in unproven:
        typer.echo(f"             {line}")


def _for_programs(legs: list[Leg], unproven: Sequence[str], failed: str | None) -> str:
    told = [{"what": leg.what, "seconds": leg.seconds} for leg in legs]
    return json.dumps({"legs": told, "unproven": unproven, "failed": failed}, indent=2)


def _show(leg: Leg) -> None:
    typer.echo(f"{leg.seconds * 1000:8.0f} ms  {leg.what}")
