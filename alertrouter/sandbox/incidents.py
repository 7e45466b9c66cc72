"""PagerDuty's own incidents: opened by alerts, handled by people, told of in webhooks and by the API.

Shapes: https://developer.pagerduty.com/docs/webhooks-overview and the REST API's incidents. `incident_key` is null, as it is in
life for incidents that the Events API v2 opened.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from alertrouter.moments import rfc3339

Status = Literal["triggered", "acknowledged", "resolved"]
ACTIONS = ("acknowledge", "unacknowledge", "resolve", "reopen", "reassign", "prioritise", "annotate", "merge")
_INTEGRATION = {"id": "PINTEGRATION", "type": "inbound_integration_reference", "summary": "Events API v2"}


class NotNowError(Exception):
    """A person cannot do that to this incident now; the text says why."""


@dataclass(slots=True)
class Incident:
    """One incident; `keys` are the dedup keys of its alerts, `open_keys` those that are not resolved.

    `services` has the service of each key: a merge may bring alerts of another one.
    """

    id: str
    number: int
    service: str
    title: str
    created_at: datetime
    keys: list[str]
    open_keys: set[str]
    status: Status = "triggered"
    assignee: str = "On call"
    changed_by: dict[str, Any] = field(default_factory=lambda: dict(_INTEGRATION))
    merged_into: "Incident | None" = None
    client_url: str = ""
    priority: str | None = None
    reopened_at: datetime | None = None
    services: dict[str, str] = field(default_factory=dict)

    def as_json(self, url: str) -> dict[str, Any]:
        """As webhooks and the API show it; `url` is the sandbox's address."""
        merged = {"type": "merge_resolve_reason", "incident": {"id": self.merged_into.id}} if self.merged_into else None
        return {
            "id": self.id,
            "type": "incident",
            "self": f"{url}/rest/incidents/{self.id}",
            "html_url": f"{url}/#{self.id}",
            "number": self.number,
            "status": self.status,
            "incident_key": None,
            "created_at": rfc3339(self.created_at),
            "title": self.title,
            "service": {"id": f"PS{self.service}", "type": "service_reference", "summary": self.service},
            "escalation_policy": {"id": "PPOLICY", "type": "escalation_policy_reference", "summary": "On call"},
            "teams": [],
            "priority": self.priority and {"id": f"P{self.priority}", "type": "priority_reference", "summary": self.priority},
            "urgency": "high",
            "reopened_at": self.reopened_at and rfc3339(self.reopened_at),
            "assignees": [{"id": "PUSER", "type": "user_reference", "summary": self.assignee}],
            "last_status_change_by": self.changed_by,
            "resolve_reason": merged,
        }


Tell = Callable[[str, Incident, dict[str, Any], dict[str, Any]], None]


class Incidents:
    """All incidents; `tell` is given each webhook event: its type, the incident, who did it, and more of its data."""

    def __init__(
        self, now: Callable[[], datetime], tell: Callable[[str, Incident, dict[str, Any], dict[str, Any]], None]
    ) -> None:
        self._now = now
        self._tell = tell
        self.all: dict[str, Incident] = {}

    def of(self, service: str, key: str) -> Incident | None:
        """The incident that holds the open alert with this key, or else the newest that holds one."""
        holding = [one for one in reversed(self.all.values()) if one.services.get(key) == service and key in one.keys]
        return next((one for one in holding if key in one.open_keys), holding[0] if holding else None)

    def with_key(self, key: str) -> Sequence[Incident]:
        """The incidents that hold an alert with this key, newest first."""
        return [one for one in reversed(self.all.values()) if key in one.keys]

    def opened(self, service: str, key: str, title: str, client_url: str) -> None:
        """An alert has opened."""
        number = len(self.all) + 1
        one = Incident(
            f"P{number:06X}", number, service, title, self._now(), [key], {key}, client_url=client_url, services={key: service}
        )
        self.all[one.id] = one
        self._tell("incident.triggered", one, _INTEGRATION, {})

    def followed(self, service: str, key: str, action: Literal["acknowledge", "resolve"]) -> None:
        """The Events API acknowledged or resolved an alert."""
        one = self.of(service, key)
        if one is None or one.status == "resolved":
            return
        if action == "acknowledge":
            if one.status == "triggered":
                self._change(one, "acknowledged", _INTEGRATION)
            return
        one.open_keys.discard(key)
        if not one.open_keys:
            self._change(one, "resolved", _INTEGRATION)

    def act(self, incident_id: str, action: str, by: str, given: Mapping[str, Any]) -> Sequence[str]:
        """What a person does; the keys of the alerts that it resolves. Raises KeyError and NotNowError."""
        one = self.all[incident_id]
        agent = {"id": "PUSER", "type": "user_reference", "summary": by, "html_url": None}
        if (one.status == "resolved") != (action == "reopen"):
            raise NotNowError(f"the incident is {one.status}")
        match action:
            case "acknowledge":
                self._change(one, "acknowledged", agent)
            case "unacknowledge":
                self._change(one, "triggered", agent, "unacknowledged")
            case "reopen":
                one.open_keys, one.merged_into, one.reopened_at = set(one.keys), None, self._now()
                self._change(one, "triggered", agent, "reopened")
            case "reassign":
                one.assignee = str(given.get("to") or "Somebody else")
                self._tell("incident.reassigned", one, agent, {})
            case "prioritise":
                one.priority = str(given.get("to") or "P1")
                self._tell("incident.priority_updated", one, agent, {})
            case "annotate":
                note = {"id": "PNOTE", "type": "incident_note", "content": str(given.get("note", "")), "incident": {"id": one.id}}
                self._tell("incident.annotated", one, agent, note)
            case "merge":
                self._merge(one, self.all[str(given.get("into", ""))], agent)
            case "resolve":
                keys, one.open_keys = sorted(one.open_keys), set()
                self._change(one, "resolved", agent)
                return keys
        return ()

    def _merge(self, one: Incident, into: Incident, agent: dict[str, Any]) -> None:
        """The source is resolved, and its alerts live on in the target."""
        if into is one or into.status == "resolved":
            raise NotNowError("an incident is merged into another one that is open")
        into.keys += one.keys
        into.open_keys |= one.open_keys
        into.services |= one.services
        one.keys, one.open_keys, one.merged_into = [], set(), into
        self._change(one, "resolved", agent)

    def _change(self, one: Incident, status: Status, agent: dict[str, Any], told: str = "") -> None:
        one.status, one.changed_by = status, agent
        self._tell(f"incident.{told or status}", one, agent, {})
