"""What the sandbox remembers: alerts, what arrived, and the faults that are ordered. It lives as long as the process."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from alertrouter.moments import rfc3339
from alertrouter.sandbox.feed import Feed
from alertrouter.sandbox.incidents import Incident, Incidents
from alertrouter.sandbox.schema import LARGEST_BODY, Kind, read

_SEVERITIES = ("info", "warning", "error", "critical")
_MOST_KEPT = 10_000
_LONGEST_LOG = 1_000

Action = Literal["trigger", "acknowledge", "resolve"]
Mode = Literal["500", "429", "400", "401", "hang", "drop", "slow", "html", "empty"]


class Fault(BaseModel):
    """An order to fail the next `count` events, or only those of a routing key (or its name) or of an action.

    | mode | the event | the answer |
    |---|---|---|
    | `500` `429` `400` `401` | not accepted | that status |
    | `html` | not accepted | 200 with a page, as a proxy in between would |
    | `hang` | not accepted | none: the connection closes after `seconds` |
    | `drop` | accepted | none: the connection closes at once |
    | `slow` | accepted | as usual, after `seconds` |
    | `empty` | accepted | 202 without a body |
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    mode: Mode
    count: Annotated[int, Field(ge=1)] = 1
    routing_key: str | None = Field(None, repr=False)
    action: Action | None = None
    seconds: Annotated[float, Field(ge=0, le=600)] = 30


_ACCEPTING = frozenset[Mode]({"drop", "slow", "empty"})
_ANSWERS: dict[Mode, int | None] = {"500": 500, "429": 429, "400": 400, "401": 401, "hang": None, "drop": None, "html": 200}


@dataclass(frozen=True, slots=True)
class Received:
    """One request, in order of arrival.

    `status` is the HTTP status answered, None for no answer. `fault` is the mode of the fault that met it. `routing_key` is
    the key's name, never the key; `event` is the body without the key, None if it was no object.
    """

    n: int
    kind: Kind
    received_at: datetime
    status: int | None
    fault: Mode | None
    errors: tuple[str, ...]
    routing_key: str
    event: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What an event did to an alert."""

    at: datetime
    action: str
    note: str


@dataclass(slots=True)
class Alert:
    """An alert as PagerDuty keeps it, from its first trigger to its resolve. `event` is the last trigger without its key.

    `notifications` counts the times that somebody's phone rings for it: once, when it opens.
    """

    routing_key: str
    dedup_key: str
    status: Literal["triggered", "acknowledged", "resolved"]
    severity: str
    summary: str
    notifications: int
    opened_at: datetime
    updated_at: datetime
    event: dict[str, Any]
    log: deque[LogEntry] = field(default_factory=lambda: deque(maxlen=_LONGEST_LOG))


@dataclass(frozen=True, slots=True)
class Handled:
    """A request as it was recorded, and what its answer needs. `dedup_key` is None where no event was accepted."""

    received: Received
    dedup_key: str | None
    fault: Fault | None


class Sandbox:
    """The state. `names` shows routing keys by name; a key without one is shown by its last four characters."""

    def __init__(self, now: Callable[[], datetime], names: Mapping[str, str]) -> None:
        self._now = now
        self._names = names
        self._keys = {name: key for key, name in names.items()}
        self._arrived = 0
        self.url = ""
        self.feed = Feed()
        self.reset()

    def reset(self) -> None:
        """Forget alerts, events, webhooks and faults; the subscription stays.

        The numbering of events goes on, so that nobody who follows them misses one.
        """
        self.alerts: deque[Alert] = deque(maxlen=_MOST_KEPT)
        self.received: deque[Received] = deque(maxlen=_MOST_KEPT)
        self.faults: list[Fault] = []
        self.rest_fault = ""
        self.feed.reset()
        self.incidents = Incidents(self._now, self._tell)
        self._open: dict[tuple[str, str], Alert] = {}
        self._resolved: dict[tuple[str, str], Alert] = {}

    def name(self, routing_key: object) -> str:
        """How a routing key may be shown; empty for what is no text."""
        if not isinstance(routing_key, str):
            return ""
        return self._names.get(routing_key) or f"…{routing_key[-4:]}"

    def order(self, fault: Fault) -> None:
        """Add a fault, after those that are ordered already."""
        key = fault.routing_key
        self.faults.append(fault.model_copy(update={"routing_key": self._keys.get(key, key) if key else None}))

    def receive(self, kind: Kind, body: bytes) -> Handled:
        """Judge, record and, where that is due, apply one request."""
        event, status, errors = _judge(kind, body)
        fault = self._take_fault(event or {})
        accepted = not errors and (fault is None or fault.mode in _ACCEPTING)
        dedup_key = self._accept(kind, event) if event and accepted else None
        answered = _ANSWERS.get(fault.mode, status) if fault else status
        received = self._record(kind, event, tuple(errors), answered, fault)
        return Handled(received, dedup_key, fault)

    def _take_fault(self, event: Mapping[str, Any]) -> Fault | None:
        key, action = event.get("routing_key"), event.get("event_action")
        for fault in self.faults:
            if fault.routing_key in (None, key) and fault.action in (None, action):
                fault.count -= 1
                if not fault.count:
                    self.faults.remove(fault)
                return fault
        return None

    def _record(
        self, kind: Kind, event: dict[str, Any] | None, errors: tuple[str, ...], status: int | None, fault: Fault | None
    ) -> Received:
        self._arrived += 1
        mode, name = fault.mode if fault else None, self.name((event or {}).get("routing_key"))
        received = Received(self._arrived, kind, self._now(), status, mode, errors, name, _without_key(event))
        self.received.append(received)
        return received

    def _accept(self, kind: Kind, event: dict[str, Any]) -> str:
        """Apply a valid event; the dedup key that PagerDuty would answer, empty for a change."""
        if kind == "change":
            return ""
        dedup_key: str = event.get("dedup_key") or uuid4().hex
        key = (event["routing_key"], dedup_key)
        if event["event_action"] == "trigger":
            self._trigger(key, event)
        elif alert := self._open.get(key):
            self._follow_up(key, alert, event["event_action"])
        return dedup_key

    def _trigger(self, key: tuple[str, str], event: dict[str, Any]) -> None:
        now, payload, shown = self._now(), event["payload"], _without_key(event) or {}
        alert = self._open.get(key)
        if alert is None:
            alert = Alert(self.name(key[0]), key[1], "triggered", payload["severity"], payload["summary"], 1, now, now, shown)
            self._open[key] = alert
            self.alerts.append(alert)
            alert.log.append(LogEntry(now, "trigger", "opened, somebody is notified"))
            self.incidents.opened(alert.routing_key, key[1], payload["summary"], event.get("client_url", ""))
            return
        # The title is frozen, the severity only moves up.
        alert.severity = max(alert.severity, payload["severity"], key=_SEVERITIES.index)
        alert.updated_at, alert.event = now, shown
        alert.log.append(LogEntry(now, "trigger", "repeated, nobody is notified"))

    def _follow_up(self, key: tuple[str, str], alert: Alert, action: Literal["acknowledge", "resolve"]) -> None:
        now = self._now()
        alert.status, alert.updated_at = "acknowledged" if action == "acknowledge" else "resolved", now
        alert.log.append(LogEntry(now, action, alert.status))
        if action == "resolve":
            self._resolved[key] = self._open.pop(key)
        self.incidents.followed(alert.routing_key, key[1], action)

    def changes(self) -> list[Received]:
        """The change events that were accepted."""
        return [one for one in self.received if one.kind == "change" and not one.errors and one.status in (202, None)]

    def act(self, incident_id: str, action: str, by: str, given: Mapping[str, Any]) -> None:
        """What a person does to an incident. Raises KeyError and NotNowError."""
        resolved = self.incidents.act(incident_id, action, by, given)
        one = self.incidents.all[incident_id]
        if action == "reopen":
            self._open |= {
                key: alert for key, alert in self._resolved.items() if key[1] in one.open_keys and key not in self._open
            }
        for key, alert in list(self._open.items()):
            if alert.routing_key == one.services.get(key[1]) and key[1] in {*resolved, *one.open_keys}:
                alert.status, alert.updated_at = one.status, self._now()
                alert.log.append(LogEntry(self._now(), "resolve" if key[1] in resolved else action, f"{action} by {by}"))
                if key[1] in resolved:
                    self._resolved[key] = self._open.pop(key)

    def _tell(self, kind: str, one: Incident, agent: dict[str, Any], more: dict[str, Any]) -> None:
        """Put an event on the feed."""
        with_client = kind == "incident.triggered" and one.client_url
        event = {
            "id": uuid4().hex,
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": rfc3339(self._now()),
            "agent": agent,
            "client": {"name": "alertrouter", "client_url": one.client_url} if with_client else None,
            "data": more or one.as_json(self.url),
        }
        self.feed.push(kind, one.id, event)


def _judge(kind: Kind, body: bytes) -> tuple[dict[str, Any] | None, int, list[str]]:
    """The event, the status that PagerDuty would answer, and what is wrong."""
    if len(body) > LARGEST_BODY:
        return None, 413, [f"the body has {len(body)} bytes, {LARGEST_BODY} are allowed"]
    event, errors = read(kind, body)
    return event, 400 if errors else 202, errors


def _without_key(event: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if event is None else {name: value for name, value in event.items() if name != "routing_key"}
