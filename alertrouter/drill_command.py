"""`alertrouter drill`: is the way from an alert to somebody's phone open? Fit for cron."""

from typing import Annotated

import httpx
import typer

from alertrouter.console import fail, settings_or_fail
from alertrouter.drill import Drill, DrillError, Leg


def drill(
    target: Annotated[str, typer.Option(help="Whom to page; default: the default target.")] = "",
    escalate: Annotated[bool, typer.Option("--escalate", help="Take the first escalation step, too.")] = False,
    seconds: Annotated[float, typer.Option(help="How long a leg may take.", min=1)] = 30,
) -> None:
    """Page through the running service (ALERTROUTER_URL), follow the page to PagerDuty, resolve it; 1 if a leg failed."""
    settings = settings_or_fail()
    token = settings.api_token.get_secret_value() if settings.api_token else ""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=settings.url, headers=headers, timeout=10) as http:
        try:
            Drill(http, target, seconds, _show).run(escalate=escalate)
        except DrillError as problem:
            fail(str(problem))


def _show(leg: Leg) -> None:
    typer.echo(f"{leg.seconds * 1000:8.0f} ms  {leg.what}")
