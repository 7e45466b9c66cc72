"""`alertrouter change`: tell a running service, and PagerDuty, of a change such as a deploy."""

from typing import Annotated

import typer

from alertrouter.commands.console import ask, settings_or_fail


def change(
    text: Annotated[str, typer.Argument(help='What has changed, such as "deploy 1.2.3".')],
    target: Annotated[str | None, typer.Option(help="Whose PagerDuty service is told; by default the default target.")] = None,
    link: Annotated[list[str] | None, typer.Option(help="An address that says more; repeatable.")] = None,
) -> None:
    """Tell of a change: it is shown beside the incidents that open soon after, here and in PagerDuty.

    Shows the first of ALERTROUTER_WEBHOOK_TOKENS, or ALERTROUTER_API_TOKEN where there are none, to ALERTROUTER_URL.
    """
    token = next(iter(settings_or_fail().webhook_tokens), None)
    body = {"summary": text, "target": target, "links": [{"href": one} for one in link or ()]}
    typer.echo(f"change {ask('POST', '/webhooks/change', token=token, json=body)['id']} is taken")
