"""PagerDuty's side of the webhooks, by hand."""

import hmac
import json
from typing import Any

from processes import notification
from serving import Running

SECRET = "a-webhook-secret"
PERSON = {"id": "PU1", "type": "user_reference", "summary": "Bia"}
INTEGRATION = {"id": "PI1", "type": "inbound_integration_reference", "summary": "Events API v2"}


class PagerDuty:
    """PagerDuty's side of the feed, by hand."""

    def __init__(self, router: Running) -> None:
        self.router = router
        self.count = 0

    async def say(self, kind: str, pagerduty_id: str = "PABC", *, status: int = 202, **given: Any) -> None:
        """Post an event, signed, under an id of its own."""
        self.count += 1
        data = {"id": pagerduty_id, "type": "incident", "incident_key": None, **given.pop("data", {})}
        client = {"client_url": given.pop("client_url")} if "client_url" in given else None
        event = {"event_type": kind, "agent": given.pop("agent", PERSON), "client": client, "data": data}
        event |= {
            name: given.pop(given_as)
            for name, given_as in (("id", "event_id"), ("occurred_at", "occurred_at"))
            if given_as in given
        }
        body = json.dumps({"event": event}).encode()
        headers = {
            "X-PagerDuty-Signature": "v1=" + hmac.new(SECRET.encode(), body, "sha256").hexdigest(),
            "X-Webhook-Id": given.pop("webhook_id", f"w{self.count}"),
        }
        answer = await self.router.http.post("/webhooks/pagerduty", content=body, headers=headers)
        assert answer.status_code == status, answer.text

    async def opened(self, name: str = "HighErrorRate", pagerduty_id: str = "PABC", **given: Any) -> str:
        """Open an incident of ours and let PagerDuty tell that it opened its own."""
        [incident] = (await self.router.post(notification(name, **given))).json()["incidents"]
        [event] = [one for one in await self.router.settled() if one["dedup_key"] == incident]
        await self.say("incident.triggered", pagerduty_id, client_url=event["client_url"], agent=INTEGRATION)
        return str(incident)

    async def incident(self, incident_id: str) -> dict[str, Any]:
        """An incident of ours."""
        found: dict[str, Any] = (await self.router.http.get(f"/api/v1/incidents/{incident_id}")).json()
        return found


def texts(incident: dict[str, Any]) -> list[str]:
    """The sentences of its timeline."""
    return [entry["text"] for entry in incident["timeline"]]
