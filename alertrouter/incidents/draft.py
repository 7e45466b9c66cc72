"""A change in the making: the moves that every event is made of."""

import dataclasses
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from alertrouter.escalation import Step
from alertrouter.incidents.state import NOBODY, Change, Entry, Incident, Member, Page, Send, State

SEVERITIES = ("critical", "error", "warning", "info")


class Draft:
    """Collects what one event does to one incident; `change()` gives the result.

    `resumed_at` is when a held-back resolve was dropped: what fell due meanwhile is not late.
    """

    def __init__(self, incident: Incident, members: Mapping[str, Member], *, opened: bool = False) -> None:
        self.incident = incident
        self.members = dict(members)
        self.opened = opened
        self.resumed_at: datetime | None = None
        self._changed: dict[str, Member] = {}
        self._sends: list[Send] = []
        self._entries: list[Entry] = []
        self._lateness: list[timedelta] = []

    def set(self, **values: Any) -> None:
        """Give the incident new values."""
        self.incident = replace(self.incident, **values)

    def put(self, member: Member) -> None:
        """Add or replace a member."""
        self.members[member.fingerprint] = self._changed[member.fingerprint] = member

    def tell(self, kind: str, **detail: str | int | list[str]) -> None:
        """Write a line on the timeline."""
        self._entries.append(Entry(kind, detail))

    def change(self) -> Change:
        """The finished change."""
        return Change(
            State(self.incident, self.members),
            tuple(self._changed.values()),
            tuple(self._sends),
            tuple(self._entries),
            self.opened,
            tuple(self._lateness),
        )

    def page(self, key: str, target: str, step: int = 0) -> None:
        """Owe a page to a target under a new key."""
        if target == NOBODY:
            return
        self.set(pages=(*self.incident.pages, Page(key, target, step)))
        self._sends.append(Send("trigger", key, target))

    def acknowledge_pages(self, now: datetime) -> bool:
        """Owe PagerDuty an acknowledgement for every page that had none; whether there was one."""
        owed = [page for page in self.incident.pages if not (page.acknowledged or page.resolved)]
        self._sends += [Send("acknowledge", page.key, page.target) for page in owed]
        self.hear_of_acknowledgement([page.key for page in self.incident.pages], now)
        return bool(owed)

    def hear_of_acknowledgement(self, keys: Collection[str], now: datetime) -> bool:
        """These keys are acknowledged; whether that is news."""
        news = [page.key for page in self.incident.pages if page.key in keys and not page.acknowledged]
        return self.mark_pages(news, acknowledged=True, acknowledged_at=now)

    def mark_pages(self, keys: Collection[str], **values: Any) -> bool:
        """Set what PagerDuty says of these keys; whether it is news."""
        before = self.incident.pages
        self.set(pages=tuple(dataclasses.replace(page, **values) if page.key in keys else page for page in before))
        return self.incident.pages != before

    def close(self, now: datetime, reason: str, *, by_person: bool) -> None:
        """Resolve the incident and owe PagerDuty a resolve for every key that was triggered and not resolved there."""
        self.set(
            status="resolved",
            resolved_at=now,
            resolve_reason=reason,
            resolved_by_person=by_person,
            resolve_at=None,
            due_at=None,
        )
        self.tell("resolved", reason=reason)
        self._sends += [Send("resolve", page.key, page.target) for page in self.incident.pages if not page.resolved]
        self.mark_pages([page.key for page in self.incident.pages], resolved=True)

    def arm(self, now: datetime) -> None:
        """Start the policy from its first step again."""
        self.set(armed_at=now, step=0, round=self.incident.round + 1, snoozed_until=None)

    def schedule(self) -> None:
        """Set the time of the next step that the present status lets happen."""
        number = next_step(self.incident)
        due_at = None
        if number is not None and self.incident.is_open:
            due_at = self.incident.armed_at + self.incident.policy.steps[number - 1].after
            if self.incident.snoozed_until is not None:
                due_at = max(due_at, self.incident.snoozed_until)
        if due_at != self.incident.due_at:
            self.set(due_at=due_at)

    def take_due(self, now: datetime) -> None:
        """Take every step whose time has come, unless a resolve is held back just now."""
        self.schedule()
        while self.incident.resolve_at is None and self.incident.due_at is not None and self.incident.due_at <= now:
            number = next_step(self.incident)
            assert number is not None
            self._lateness.append(now - max(self.incident.due_at, self.resumed_at or self.incident.due_at))
            step = self.incident.policy.steps[number - 1]
            target = step.to or self.incident.target
            if not step.after and any(page.target == target and page.is_ringing for page in self.incident.pages):
                self.set(step=number)
                self.tell("step_already_paged", step=number, to=target)
            else:
                self.take(number, step)
            self.schedule()

    def skip_due(self, now: datetime) -> list[str]:
        """Leave out every step whose time has come, also while a resolve is held back; their numbers and targets."""
        skipped = []
        self.schedule()
        while self.incident.due_at is not None and self.incident.due_at <= now:
            number = next_step(self.incident)
            assert number is not None
            skipped.append(f"{number} ({self.incident.policy.steps[number - 1].to or self.incident.target})")
            self.set(step=number)
            self.schedule()
        return skipped

    def take(self, number: int, step: Step, by: str = "") -> None:
        """Page the target of a step."""
        target = step.to or self.incident.target
        self.set(step=max(number, self.incident.step))
        self.page(self._step_key(number), target, number)
        self.tell("escalated", step=number, to=target, **({"by": by} if by else {}))

    def _step_key(self, number: int) -> str:
        """A key that PagerDuty has not seen: it would notify nobody of one that is still open."""
        used = {page.key for page in self.incident.pages}
        key = base = f"{self.incident.id}/e{number}"
        again = max(self.incident.round, 2)
        while key in used:
            key = f"{base}.{again}"
            again += 1
        return key


def next_step(incident: Incident) -> int | None:
    """The number of the next step that the present status does not stop, None when there is none."""
    for number, step in enumerate(incident.policy.steps[incident.step :], start=incident.step + 1):
        if not (step.unless == "acknowledged" and incident.status == "acknowledged"):
            return number
    return None


def step_by_hand(incident: Incident) -> int:
    """The number of the step that a person takes next, also one that the present status stops; there may be no such step."""
    return next_step(incident) or incident.step + 1


def leader_of(members: Mapping[str, Member]) -> Member | None:
    """The most severe firing member, then the oldest: it gives the title, the severity and the runbook section."""
    firing = (member for member in members.values() if member.firing)
    return min(
        firing,
        key=lambda member: (SEVERITIES.index(member.severity), member.starts_at, member.fingerprint),
        default=None,
    )
