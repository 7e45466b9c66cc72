"""`decide()`: what a notification, a person or the clock does to an incident.

The rules and their reasons: Alertmanager's webhook contract (duplicates, order, stale snapshots, truncated bodies), and the
promises in docs/promises.md.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from alertrouter.alertmanager import Alert
from alertrouter.escalation import Policy
from alertrouter.incidents.acts import NothingLeftError, act, start_again
from alertrouter.incidents.draft import SEVERITIES, Draft, leader_of
from alertrouter.incidents.events import Escalated, Event, Notified, Plan, Reopened, Snoozed
from alertrouter.incidents.ids import make_id
from alertrouter.incidents.state import Change, Incident, Member, State

BY_ALERTMANAGER = "Alertmanager reported every alert resolved"


def decide(state: State | None, event: Event, now: datetime) -> list[Change]:
    """Say what `event` does at `now` to the latest incident of a key.

    `state` is that incident, open or resolved, None when the key never had one. The changes are to be applied in order: a
    hold that is over closes its incident before the event is looked at, and a firing alert after that opens a new one. An
    empty list means that nothing is to be written. Raises NothingLeftError for an escalation that has no step to take.
    """
    changes: list[Change] = []
    if state is not None and _hold_is_over(state.incident, now):
        draft = Draft(state.incident, state.members)
        draft.close(now, BY_ALERTMANAGER, by_person=False)
        changes.append(draft.change())
        state = changes[-1].state
    change = _decide(state, event, now)
    return [*changes, change] if change else changes


def _decide(state: State | None, event: Event, now: datetime) -> Change | None:
    if isinstance(event, Notified):
        if state is None or not state.incident.is_open:
            return _notified_when_closed(state, event, now)
        return _notified_when_open(state, event, now)
    if state is None or not (state.incident.is_open or isinstance(event, Reopened)):
        if isinstance(event, Escalated | Snoozed):
            raise NothingLeftError("the incident is resolved")
        return None
    draft = Draft(state.incident, state.members)
    act(draft, event, now)
    draft.take_due(now)
    return draft.change() if draft.incident != state.incident else None


def _notified_when_closed(state: State | None, event: Notified, now: datetime) -> Change | None:
    firing = [alert for alert in event.alerts if alert.firing]
    if firing and (state is None or not _is_absorbed(state, firing, now)):
        return _open(event, firing, state.incident if state else None, now)
    if state is None:
        return None
    draft = Draft(state.incident, state.members)
    _apply_alerts(draft, event, now)
    _count(draft, event)
    if firing:
        draft.tell("absorbed", alerts=_brief(map(_name, firing)))
    return draft.change()


def _is_absorbed(state: State, firing: list[Alert], now: datetime) -> bool:
    """Alertmanager still fires what a person has just closed; an alert that is new since is another matter."""
    incident = state.incident
    return (
        incident.resolved_by_person
        and incident.resolved_at is not None
        and now < incident.resolved_at + incident.resolve_hold
        and all(_is_known(alert, state.members.get(alert.fingerprint)) for alert in firing)
    )


def _is_known(alert: Alert, member: Member | None) -> bool:
    """A start after the last applied end is genuinely new, and nothing would send it again for hours."""
    return member is not None and (member.ends_at is None or member.firing or alert.starts_at <= member.ends_at)


def _open(event: Notified, firing: list[Alert], previous: Incident | None, now: datetime) -> Change:
    plans = {alert.fingerprint: event.plan(alert) for alert in firing}
    key = event.key
    incident = Incident(
        id=make_id(now, key, previous.id if previous else ""),
        source=key.source,
        subject=key.subject,
        per_alert=key.per_alert,
        target=key.target,
        status="triggered",
        severity="error",
        title="",
        opened_at=now,
        policy=_soonest(plans.values()),
        armed_at=now,
        repage_on_new_alert=key.repage_on_new_alert,
        resolve_hold=key.resolve_hold,
        previous=previous.id if previous else None,
    )
    draft = Draft(incident, {}, opened=True)
    seen = _apply_alerts(draft, dataclasses.replace(event, plan=lambda alert: plans[alert.fingerprint]), now)
    _follow_leader(draft)
    _count(draft, event)
    draft.tell("opened", alerts=_brief(seen.joined), **({"previous": previous.id} if previous else {}))
    draft.page(draft.incident.id, key.target)
    _hold_or_cancel(draft, event, now)
    draft.take_due(now)
    return draft.change()


def _notified_when_open(state: State, event: Notified, now: datetime) -> Change:
    draft = Draft(state.incident, state.members)
    seen = _apply_alerts(draft, event, now)
    _count(draft, event)
    if seen:
        _follow_leader(draft)
        lists = {"joined": seen.joined, "back": seen.back, "resolved": seen.resolved, "ignored": seen.ignored}
        draft.tell("alerts", **{kind: _brief(names) for kind, names in lists.items() if names})
    if seen.new and draft.incident.status == "acknowledged" and draft.incident.repage_on_new_alert:
        _page_again(draft, seen.new, now)
    _hold_or_cancel(draft, event, now)
    if event.leaves_steps:
        draft.schedule()
    else:
        draft.take_due(now)
    return draft.change()


@dataclass(slots=True)
class _Seen:
    """The names of the alerts that a notification changed. `new` are those that nobody has been paged for."""

    joined: list[str]
    back: list[str]
    resolved: list[str]
    ignored: list[str]
    new: list[str]

    def __bool__(self) -> bool:
        return bool(self.joined or self.back or self.resolved or self.ignored)


def _apply_alerts(draft: Draft, event: Notified, now: datetime) -> _Seen:
    """Bring the members up to date, in the order of arrival: that converges, whatever order the peers took."""
    seen = _Seen([], [], [], [], [])
    for alert in event.alerts:
        member = draft.members.get(alert.fingerprint)
        if alert.firing:
            _apply_firing(draft, alert, member, event, now, seen)
        elif member is not None and member.firing:
            ends_at = alert.ends_at or now
            if ends_at < member.starts_at:
                seen.ignored.append(_name(alert))
            else:
                draft.put(replace(member, firing=False, ends_at=ends_at, resolved_at=now))
                seen.resolved.append(_name(alert))
    return seen


def _apply_firing(draft: Draft, alert: Alert, member: Member | None, event: Notified, now: datetime, seen: _Seen) -> None:
    if member is None:
        draft.put(_join(alert, event.plan(alert), now))
        seen.joined.append(_name(alert))
        seen.new.append(_name(alert))
        return
    if not member.firing:
        seen.back.append(_name(alert))
        if member.resolved_at is None or now >= member.resolved_at + draft.incident.resolve_hold:
            seen.new.append(_name(alert))
    elif (
        alert.starts_at <= member.starts_at
        and alert.annotations == member.annotations
        and alert.generator_url == member.generator_url
    ):
        return
    draft.put(
        replace(
            member,
            firing=True,
            starts_at=max(alert.starts_at, member.starts_at),
            annotations=alert.annotations,
            generator_url=alert.generator_url,
        )
    )


def _join(alert: Alert, plan: Plan, now: datetime) -> Member:
    return Member(
        fingerprint=alert.fingerprint,
        firing=True,
        labels=alert.labels,
        annotations=alert.annotations,
        generator_url=alert.generator_url,
        severity=plan.severity,
        title=plan.title,
        starts_at=alert.starts_at,
        joined_at=now,
        section=plan.section,
    )


def _page_again(draft: Draft, new: list[str], now: datetime) -> None:
    """PagerDuty would notify nobody of another alert under a key that is acknowledged."""
    number = sum(page.step == 0 for page in draft.incident.pages) + 1
    start_again(draft, now)
    draft.page(f"{draft.incident.id}/{number}", draft.incident.target)
    draft.tell("paged_again", alerts=_brief(new))


def _hold_or_cancel(draft: Draft, event: Notified, now: datetime) -> None:
    """Hold the resolve back while it may yet prove a peer's mistake, and drop it when it does."""
    incident = draft.incident
    whole = not event.truncated or incident.per_alert
    if incident.firing or not whole:
        if incident.resolve_at is not None:
            draft.set(resolve_at=None)
            draft.resumed_at = now
            draft.tell("hold_cancelled", why="firing again" if incident.firing else "the body was cut")
        return
    if incident.resolve_hold and incident.resolve_at is None:
        draft.set(resolve_at=now + incident.resolve_hold)
        draft.tell("hold_started", until=(now + incident.resolve_hold).isoformat())
    elif not incident.resolve_hold:
        draft.close(now, BY_ALERTMANAGER, by_person=False)


def _count(draft: Draft, event: Notified) -> None:
    firing = sum(member.firing for member in draft.members.values())
    draft.set(
        notifications=draft.incident.notifications + 1,
        firing=firing,
        resolved=len(draft.members) - firing,
        truncated=event.truncated,
        receiver=event.receiver,
        external_url=event.external_url,
    )


def _follow_leader(draft: Draft) -> None:
    leader = leader_of(draft.members)
    if leader is None and not draft.incident.title:  # it fired and ended in one body
        leader = next(iter(draft.members.values()), None)
    if leader is not None:
        draft.set(title=leader.title, severity=leader.severity, section=leader.section)


def _soonest(plans: Iterable[Plan]) -> Policy:
    """Of several alerts' policies, the one that acts first; of equals, the most severe alert's."""
    by_severity = sorted(plans, key=lambda plan: SEVERITIES.index(plan.severity))
    policies = [plan.policy for plan in by_severity]
    return min(policies, key=lambda policy: policy.steps[0].after if policy.steps else timedelta.max)


def _hold_is_over(incident: Incident, now: datetime) -> bool:
    return incident.resolve_at is not None and incident.resolve_at <= now


def _name(alert: Alert) -> str:
    return alert.labels.get("alertname") or alert.fingerprint


def _brief(names: Iterable[str], most: int = 20) -> list[str]:
    """Names for the timeline, each once with its count; a long tail is only counted."""
    counts = Counter(names)
    brief = [f"{name} ×{count}" if count > 1 else name for name, count in counts.most_common(most)]
    left = len(counts) - len(brief)
    return [*brief, f"and {left} more"] if left > 0 else brief
