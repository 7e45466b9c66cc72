"""A fire drill: an alert through the running service's own webhook, followed to PagerDuty and back."""

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from alertrouter.alertmanager import fingerprint_of
from alertrouter.commands.console import reason_of
from alertrouter.incidents import NOBODY
from alertrouter.routing import DRILL, DRILL_SOURCE

_POLL_SECONDS = 0.05
_PAGERDUTY = ".pagerduty.com"
ALERT = "AlertrouterDrill"


class DrillError(Exception):
    """A leg failed; the text says which and how."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of the way, and how many seconds it took."""

    what: str
    seconds: float


class Drill:
    """One drill against the service behind `http`, whose headers carry the API's token; `report` hears of each leg as it ends."""

    def __init__(
        self, http: httpx.Client, webhook_token: str, target: str, seconds: float, report: Callable[[Leg], None]
    ) -> None:
        self._http = http
        self._webhook_token = webhook_token
        self._seconds = seconds
        self._report = report
        self._hint = ""
        self._labels = {"alertname": ALERT, "severity": "info", DRILL: target, "drill_id": secrets.token_hex(6)}

    def run(self, *, escalate: bool) -> Sequence[str]:
        """Page, escalate if asked to, and resolve, which is done whatever fails; what it did not prove. Raises DrillError."""
        pagerduty = self._get("/readyz")["parts"]["pagerduty"]
        hears = bool(pagerduty["webhooks"])
        try:
            incident = self._leg("the notification is stored", self._fire)
            self._leg("PagerDuty has accepted the page", lambda: self._sent(incident, "trigger", incident))
            if hears:
                self._leg("PagerDuty has told that its incident is open", lambda: self._told(incident, "confirmed"))
            if escalate:
                self._leg("PagerDuty has accepted the escalation", lambda: self._escalated(incident))
        except BaseException:
            with suppress(DrillError):  # what failed first is what is told
                self._notify(firing=False)
            raise
        self._notify(firing=False)
        self._leg("PagerDuty has accepted the resolve", lambda: self._sent(incident, "resolve", incident))
        return _unproven(pagerduty.get("host") or "", hears=hears)

    def _leg(self, what: str, done: Callable[[], Any]) -> Any:
        """What `done` gives once it gives something true."""
        started = time.monotonic()
        self._hint = ""
        while not (found := done()):
            if time.monotonic() - started > self._seconds:
                raise DrillError(f"{what}: not within {self._seconds:g} s{self._hint}")
            time.sleep(_POLL_SECONDS)
        self._report(Leg(what, time.monotonic() - started))
        return found

    def _fire(self) -> str:
        incidents = self._notify(firing=True)
        if not incidents:
            raise DrillError("the notification opened no incident")
        target = self._get(f"/api/v1/incidents/{incidents[0]}")["target"]
        if target == NOBODY:
            raise DrillError(f"there is no target {self._labels[DRILL]!r}: nobody was paged")
        return incidents[0]

    def _sent(self, incident: str, action: str, key: str) -> bool:
        deliveries = self._get(f"/api/v1/incidents/{incident}")["deliveries"]
        mine = [one for one in deliveries if one["action"] == action and one["dedup_key"] == key]
        dead = next((one for one in mine if one["state"] == "dead"), None)
        if dead:
            raise DrillError(f"PagerDuty refused it: {dead['error']}")
        self._hint = next((f"; the last attempt: {one['error']}" for one in mine if one["error"]), "")
        return any(one["state"] == "sent" for one in mine)

    def _told(self, incident: str, kind: str) -> bool:
        self._hint = "; does its webhook subscription reach this service, for this PagerDuty service's incidents?"
        return any(entry["kind"] == kind for entry in self._get(f"/api/v1/incidents/{incident}")["timeline"])

    def _escalated(self, incident: str) -> bool:
        deliveries = self._get(f"/api/v1/incidents/{incident}")["deliveries"]
        steps = [one["dedup_key"] for one in deliveries if one["action"] == "trigger" and one["dedup_key"] != incident]
        if not steps:
            self._ask("POST", f"/api/v1/incidents/{incident}/escalate", json={"by": "a drill"})
        return bool(steps) and self._sent(incident, "trigger", steps[0])

    def _notify(self, *, firing: bool) -> list[str]:
        now = datetime.now(UTC).isoformat()
        alert = {
            "status": "firing" if firing else "resolved",
            "labels": self._labels,
            "annotations": {"summary": "This is a drill. Nothing is wrong."},
            "startsAt": now,
            "endsAt": "0001-01-01T00:00:00Z" if firing else now,
            "fingerprint": fingerprint_of(self._labels),
        }
        body = {"groupKey": f"drill:{self._labels['drill_id']}", "receiver": "drill", "alerts": [alert]}
        headers = {"Authorization": f"Bearer {self._webhook_token}"} if self._webhook_token else {}
        found: list[str] = self._ask("POST", f"/webhooks/alertmanager/{DRILL_SOURCE}", json=body, headers=headers)["incidents"]
        return found

    def _get(self, path: str) -> Any:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, **given: Any) -> Any:
        try:
            answer = self._http.request(method, path, **given)
            body = answer.json()
        except httpx.HTTPError as problem:
            where = str(self._http.base_url).rstrip("/")
            raise DrillError(f"{where} does not answer: {reason_of(problem)} (ALERTROUTER_URL)") from None
        except ValueError:
            raise DrillError(f"{path} did not answer as alertrouter does (ALERTROUTER_URL)") from None
        if answer.is_error:
            raise DrillError(f"{path} answered {answer.status_code}: {body.get('error', 'not ready')}")
        return body


def _unproven(host: str, *, hears: bool) -> Sequence[str]:
    """What a drill that went well says nothing about."""
    found = []
    if host and not host.endswith(_PAGERDUTY):  # an older service does not tell it
        found.append(f"{host} is not PagerDuty: no phone has rung")
    if not hears:
        found.append("whether PagerDuty has opened an incident is not known (ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS)")
    return found
