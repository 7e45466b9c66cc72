"""What people do to an incident, here and in PagerDuty: PURE."""

from datetime import datetime

from msgspec.structs import replace

from alertrouter.incidents.draft import Draft, step_by_hand
from alertrouter.incidents.events import (
    Acknowledged,
    Ended,
    Escalated,
    Event,
    PagesResolved,
    Reopened,
    Resolved,
    Restored,
    Snoozed,
    Unacknowledged,
)
from alertrouter.refusals import RefusalError


class NothingLeftError(RefusalError):
    """There is no such step to escalate to any more; the text says why."""


def act(draft: Draft, event: Event, now: datetime) -> None:
    """Do to an incident what a person, PagerDuty or another look at the world says. Raises NothingLeftError."""
    match event:
        case Acknowledged():
            _acknowledge(draft, event, now)
        case Unacknowledged():
            _take_back(draft, event, now)
        case Resolved():
            draft.close(now, f"resolved by {event.by}", by_person=True)
        case PagesResolved():
            _resolve_pages(draft, event, now)
        case Reopened():
            _reopen(draft, event, now)
        case Ended():
            _end(draft, event, now)
        case Snoozed():
            draft.set(snoozed_until=now + event.for_)
            draft.tell("snoozed", by=event.by, until=(now + event.for_).isoformat())
        case Escalated():
            _escalate(draft, event)
        case Restored():
            _restore(draft, now)


def _acknowledge(draft: Draft, event: Acknowledged, now: datetime) -> None:
    """What PagerDuty says is news only for a key that was not acknowledged: it may come late, or be our own coming back."""
    if event.keys and not draft.hear_of_acknowledgement(event.keys, now):
        return
    is_news = draft.incident.status == "triggered"
    if is_news:
        draft.set(status="acknowledged", acknowledged_at=now, acknowledged_by=event.by)
    if draft.acknowledge_pages(now) or is_news:
        draft.tell("acknowledged", by=event.by)


def _take_back(draft: Draft, event: Unacknowledged, now: datetime) -> None:
    if draft.mark_pages(event.keys, acknowledged=False) and draft.incident.status == "acknowledged":
        start_again(draft, now)
        draft.tell("unacknowledged", by=event.by)


def start_again(draft: Draft, now: datetime) -> None:
    """Nobody has it, and the policy begins anew."""
    draft.set(status="triggered", acknowledged_at=None, acknowledged_by=None)
    draft.arm(now)


def _resolve_pages(draft: Draft, event: PagesResolved, now: datetime) -> None:
    """The incident is over with the last page of its own target; a step's page is closed alone."""
    if not draft.mark_pages(event.keys, resolved=True):
        return
    incident = draft.incident
    if all(page.resolved or page.key in event.unsent for page in incident.pages if page.target == incident.target):
        draft.close(now, f"resolved by {event.by}", by_person=True)
        return
    closed = sorted({page.target for page in incident.pages if page.key in event.keys})
    draft.tell("page_resolved", by=event.by, to=closed)


def _end(draft: Draft, event: Ended, now: datetime) -> None:
    for member in list(draft.members.values()):
        if member.firing:
            draft.put(replace(member, firing=False, ends_at=now, resolved_at=now))
    draft.set(firing=0, resolved=len(draft.members))
    draft.close(now, event.reason, by_person=False)


def _reopen(draft: Draft, event: Reopened, now: datetime) -> None:
    """PagerDuty's incident is triggered again, with nobody on it; ours is, too, even if it was over."""
    if not draft.mark_pages(event.keys, resolved=False, acknowledged=False):
        return
    if not draft.incident.is_open:
        draft.set(resolved_at=None, resolve_reason=None, resolved_by_person=False)
    start_again(draft, now)
    draft.tell("reopened", by=event.by)


def _escalate(draft: Draft, event: Escalated) -> None:
    taken, following = draft.incident.step, step_by_hand(draft.incident)
    if event.after is not None and event.after < taken:
        return
    if event.after is not None and event.after > taken:
        raise NothingLeftError("the escalation has begun again since this page was loaded")
    if event.next is not None and event.next != following:
        raise NothingLeftError("the next step has become another one since this page was loaded")
    steps = draft.incident.policy.steps
    number = event.step if event.step is not None else following
    if not 1 <= number <= len(steps):
        if event.step is None:
            raise NothingLeftError("no step is left: the policy has %(count)s", count=len(steps))
        raise NothingLeftError("there is no step %(number)s: the policy has %(count)s", number=number, count=len(steps))
    draft.take(number, steps[number - 1], event.by)


def _restore(draft: Draft, now: datetime) -> None:
    if skipped := draft.skip_due(now):
        draft.tell("restored", steps=skipped)
