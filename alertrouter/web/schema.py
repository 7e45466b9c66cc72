"""The shapes of the API, in and out: what answers are made of, and what `/openapi.json` is made from."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema

from alertrouter.durations import parse_duration
from alertrouter.moments import rfc3339
from alertrouter.refusals import RefusalError

MOST_ROWS = 500

_DURATION = re.compile("^(?=.*[1-9])([0-9]{1,2}w)?([0-9]{1,3}d)?([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,7}s)?$")
"""Of no time at all there is nothing to wait for."""


class RefusedValueError(RefusalError, ValueError):
    """A field is not like what is wanted."""


def _duration(value: object) -> timedelta:
    if not isinstance(value, str):
        raise ValueError("it is not a string such as 15m")
    if not _DURATION.fullmatch(value):
        raise RefusedValueError("%(given)s is not a duration such as 90s, 15m or 1h30m", given=repr(value[:40]))
    return parse_duration(value)


def _whole(value: object) -> object:
    """JSON knows one kind of numbers: 2.0 is 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Time = Annotated[datetime, PlainSerializer(rfc3339, return_type=Annotated[str, Field(json_schema_extra={"format": "date-time"})])]
Severity = Literal["critical", "error", "warning", "info"]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": _DURATION.pattern, "minLength": 2, "examples": ["15m", "1h30m"]}),
]
Limit = Annotated[int, Field(ge=1, le=MOST_ROWS)]


class _Shape(BaseModel):
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True, from_attributes=True)


class _Given(BaseModel):
    """What callers send; what means nothing here is passed over."""

    model_config = ConfigDict(strict=True, extra="ignore", validate_by_alias=True, validate_by_name=False)


class Error(_Shape):
    """Why nothing was done, in one clear line."""

    error: str


class Step(_Shape):
    """One escalation step: `after` the opening or the re-arming (`15m`), `to` a target, `unless` the incident is that by then."""

    after: str
    to: str
    unless: Literal["acknowledged", "resolved"] | None


class Escalation(_Shape):
    """The policy as it was when the incident opened.

    `step` is the last one taken, 0 for none; `due_at` is null when none is left.
    """

    policy: list[Step]
    from_: str = Field(alias="from", description="`file.md:line`, `route` or `default`")
    step: int
    due_at: Time | None


class Alerts(_Shape):
    """How many alerts of an incident fire, and how many do not any more."""

    firing: int
    resolved: int


class Runbook(_Shape):
    """The section of a runbook, as it was when the alert came."""

    title: str
    path: str
    anchor: str
    url: str
    revision: str
    commit: str | None


class FilledRunbook(Runbook):
    """The same with its text, commands filled in."""

    markdown: str | None


class Incident(_Shape):
    """One episode of one incident key: what a person is paged for. Times are RFC 3339 in UTC."""

    id: str
    key: str
    source: str
    status: Literal["triggered", "acknowledged", "resolved"]
    severity: Severity
    title: str
    target: str
    opened_at: Time
    acknowledged_at: Time | None
    acknowledged_by: str | None
    resolve_at: Time | None = Field(description="until when the resolve is held back")
    resolved_at: Time | None
    resolve_reason: str | None
    snoozed_until: Time | None
    previous: str | None = Field(description="the incident before, of the same key")
    notifications: int = Field(description="how many notifications it has absorbed")
    alerts: Alerts
    escalation: Escalation
    runbook: Runbook | None
    url: str


class Member(_Shape):
    """One alert of an incident."""

    fingerprint: str
    status: Literal["firing", "resolved"]
    severity: Severity
    title: str
    labels: dict[str, str]
    annotations: dict[str, str]
    generator_url: str
    starts_at: Time
    ends_at: Time | None


class Entry(_Shape):
    """One line of the timeline, as a sentence and as facts."""

    at: Time
    kind: str
    text: str
    detail: dict[str, Any]


class Delivery(_Shape):
    """One event that is or was owed to PagerDuty."""

    id: int
    incident: str = Field(validation_alias="incident_id")
    target: str
    action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: str
    state: Literal["pending", "sent", "superseded", "dead"]
    attempts: int
    error: str | None
    due_at: Time
    sent_at: Time | None


class Change(_Shape):
    """A change that somebody told of, such as a deploy."""

    id: int
    at: Time
    summary: str
    source: str | None
    links: list[dict[str, str]]
    details: dict[str, Any]
    target: str
    state: Literal["pending", "sent", "dead", "recorded"]
    error: str | None


class Story(Incident):
    """An incident with all that belongs to it; `changes` are those of the hour before it, the latest first."""

    runbook: FilledRunbook | None
    members: list[Member]
    timeline: list[Entry]
    deliveries: list[Delivery]
    changes: list[Change]


class Section(_Shape):
    """A section that was searched for, and the text around what was found in it."""

    title: str
    path: str
    anchor: str
    url: str
    hit: str


class Incidents(_Shape):
    """A page of incidents, newest first; `next` is the cursor of the page after it."""

    incidents: list[Incident]
    next: str | None


class Deliveries(_Shape):
    """A page of deliveries, newest first; `next` is the cursor of the page after it."""

    deliveries: list[Delivery]
    next: str | None


class Sections(_Shape):
    """Sections of runbooks, the best hits first."""

    sections: list[Section]


class WantedIncidents(BaseModel):
    """Which incidents are listed."""

    status: Literal["open", "triggered", "acknowledged", "resolved"] | None = None
    alertname: Text | None = None
    severity: Text | None = None
    limit: Limit = 50
    cursor: Annotated[str, Field(pattern="^[0-9a-z]{26}$")] | None = None


class WantedDeliveries(BaseModel):
    """Which deliveries are listed."""

    state: Literal["pending", "sent", "superseded", "dead"] | None = None
    limit: Limit = 50
    cursor: Annotated[str, Field(pattern="^[0-9]{1,18}$")] | None = None


class WantedSections(BaseModel):
    """Which sections are listed: those that hold every word of `q`, or all."""

    q: Text = ""
    limit: Limit = 50


class WantedOnHome(BaseModel):
    """Which incidents the on-call page shows: open ones by pages, past ones from a cursor on."""

    status: Literal["", "open", "triggered", "acknowledged", "resolved"] = ""
    severity: Literal["", "critical", "error", "warning", "info"] = ""
    target: Text = ""
    q: Text = ""
    page: Annotated[int, Field(ge=1, le=1000)] = 1
    cursor: Annotated[str, Field(pattern="^[0-9a-z]{26}$")] | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it asks for anything but all open ones."""
        return bool(self.status not in {"", "open"} or self.severity or self.target or self.q)


class By(_Given):
    """Who does it; somebody, where nobody says. Of who has signed in the name is known."""

    by: str | None = None

    @property
    def name(self) -> str:
        """In one line, at most 200 characters."""
        return " ".join((self.by or "somebody").replace("\0", " ").split())[:200] or "somebody"


class EscalateBy(By):
    """The next step, or the one with this number."""

    step: Annotated[int, Field(ge=-(2**31), lt=2**31), BeforeValidator(_whole)] | None = None


class SnoozeBy(By):
    """For how long, as `15m` or `1h30m`."""

    for_: Duration = Field(alias="for")
