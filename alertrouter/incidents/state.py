"""What an incident is: its own values, its members, and what a decision about it changes.

They are msgspec's structs, as copying one with a few values changed is what decisions do most: a dataclass of 33 fields takes
thirty times longer to copy. `gc=False` says that a value cannot be part of a circle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct, field

from alertrouter.escalation import Policy

Status = Literal["triggered", "acknowledged", "resolved"]
Action = Literal["trigger", "acknowledge", "resolve"]
Severity = Literal["critical", "error", "warning", "info"]

NOBODY = "none"
"""The target that pages nobody."""


@dataclass(frozen=True, slots=True)
class Page:
    """One PagerDuty key that was triggered.

    `step` is the escalation step that triggered it, 0 for the opening and its follow-ups; `acknowledged` says that an
    acknowledgement of it was owed to PagerDuty, or came from there, since `acknowledged_at`; `resolved` that somebody resolved
    it there, or that a resolve is owed.
    """

    key: str
    target: str
    step: int = 0
    acknowledged: bool = False
    resolved: bool = False
    acknowledged_at: datetime | None = None

    @property
    def is_ringing(self) -> bool:
        """Whether nobody has reacted to it."""
        return not (self.acknowledged or self.resolved)


class Member(Struct, frozen=True, gc=False):
    """One alert inside an incident.

    `starts_at` is the latest start seen while firing. `ends_at` is the end of the last applied resolve and `resolved_at` the
    moment it was applied; `joined_at` is when the incident first saw it. `section` is the revision of its runbook section,
    frozen then.
    """

    fingerprint: str
    firing: bool
    labels: dict[str, str]
    annotations: dict[str, str]
    generator_url: str
    severity: Severity
    title: str
    starts_at: datetime
    joined_at: datetime
    ends_at: datetime | None = None
    resolved_at: datetime | None = None
    section: str | None = None


class Incident(Struct, frozen=True):
    """One episode of one incident key.

    `subject` is the group key, or the fingerprint where `per_alert`; with `source` (and `target`, for a group) it makes the
    key. `policy` is frozen when the incident opens; `step` is the last one taken (0: none), `round` counts the armings (1 at
    the opening), `armed_at` is what `after` counts from, `due_at` is the time of the next step, None when none is left.
    `resolve_at` is until when an owed resolve is held back. `section` is the leading member's. `firing` and `resolved` count
    members. `truncated` is what the last body had cut off. `pages` are the PagerDuty keys that were triggered, in order.
    """

    id: str
    source: str
    subject: str
    per_alert: bool
    target: str
    status: Status
    severity: Severity
    title: str
    opened_at: datetime
    policy: Policy
    armed_at: datetime
    repage_on_new_alert: bool = True
    resolve_hold: timedelta = timedelta(seconds=60)
    external_url: str = ""
    receiver: str = ""
    section: str | None = None
    step: int = 0
    round: int = 1
    due_at: datetime | None = None
    resolve_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    resolve_reason: str | None = None
    resolved_by_person: bool = False
    snoozed_until: datetime | None = None
    previous: str | None = None
    notifications: int = 0
    firing: int = 0
    resolved: int = 0
    truncated: int = 0
    pages: tuple[Page, ...] = ()

    def has_acknowledged(self, key: str) -> bool:
        """Whether the page with this key is acknowledged."""
        return any(page.acknowledged for page in self.pages if page.key == key)

    def has_resolved(self, key: str) -> bool:
        """Whether the page with this key is resolved, or a resolve of it is owed."""
        return any(page.resolved for page in self.pages if page.key == key)

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to care."""
        return self.status != "resolved"


class State(Struct, frozen=True):
    """An incident with its members, by fingerprint."""

    incident: Incident
    members: Mapping[str, Member]


class Send(Struct, frozen=True, gc=False):
    """A PagerDuty event that is owed: one row of the outbox."""

    action: Action
    key: str
    target: str


class Entry(Struct, frozen=True):
    """One row of the timeline: what happened (`kind`) and the facts that its sentence needs."""

    kind: str
    detail: Mapping[str, str | int | list[str]] = field(default_factory=dict)


class Change(Struct, frozen=True):
    """What one decision does: the new state, the members that differ, what is owed and what is told.

    `opened` says that the incident is new. `lateness` holds, for each escalation step that came due, how late it was taken.
    """

    state: State
    changed: tuple[Member, ...] = ()
    sends: tuple[Send, ...] = ()
    entries: tuple[Entry, ...] = ()
    opened: bool = False
    lateness: tuple[timedelta, ...] = ()
