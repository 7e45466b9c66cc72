"""Heartbeats: alerts such as Watchdog, whose absence is the problem.

There are few of them, so that every change looks at all of them in one transaction.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alertrouter.actions import save
from alertrouter.alertmanager import Alert, fingerprint_of
from alertrouter.incidents import Change, Ended, Notified, decide
from alertrouter.planning import Playbook
from alertrouter.routing import HEARTBEAT_LOST, Route
from alertrouter.store import heartbeats, incidents
from alertrouter.store.codec import subject_key
from alertrouter.store.database import Transaction
from alertrouter.store.heartbeats import Heartbeat

ALERT = HEARTBEAT_LOST
_AWAY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Beat:
    """A firing notification of an alert that is a heartbeat."""

    route: Route
    source: str
    alert: Alert


def beat(tx: Transaction, beats: Sequence[Beat]) -> list[Change]:
    """Take beats in; what that decides about incidents of lost ones is written by the caller."""
    if not beats:
        return []
    known = {one.key: one for one in heartbeats.load(tx)}
    changes: list[Change] = []
    for one in beats:
        route = identity(one.route)
        key = _key(route, one.source, one.alert.fingerprint)
        for heard in filter(None, (known.get(key), known.pop(_key(route), None))):
            changes += _back(tx, heard)
            if heard.key != key:  # the route has its first beat
                heartbeats.forget(tx, heard.key)
        due_at = tx.now + (one.route.heartbeat or timedelta())
        known[key] = Heartbeat(key, route, one.source, one.alert.labels, tx.now, due_at, False, None)
        heartbeats.save(tx, known[key])
    tx.timers = True
    return changes


@dataclass(frozen=True, slots=True)
class Watch:
    """A wish to look for lost heartbeats.

    `looked_at` is when this process last looked by this routing, on its monotonic clock; None after a start or a change of the
    routing file.
    """

    playbook: Playbook
    looked_at: float | None = None

    @property
    def is_start(self) -> bool:
        """Nobody could hear beats before now: it is asked when the look begins, which a slow database may have put off."""
        return self.looked_at is None or time.monotonic() - self.looked_at > _AWAY_SECONDS


def look(tx: Transaction, watches: Sequence[Watch]) -> list[timedelta | None]:
    """Open an incident for each heartbeat that is overdue; how long it is to the next one, None where there is none."""
    return [_look(tx, watch) for watch in watches]


def _look(tx: Transaction, watch: Watch) -> timedelta | None:
    routes = {identity(route): route for route in watch.playbook.routing.heartbeats}
    known = heartbeats.load(tx)
    if watch.is_start:
        known = _start(tx, known, routes)
    known = [*_lost_and_closed(tx, known, routes), *_awaited(tx, known, routes)]
    for one in known:
        if one.route in routes and one.incident_id is None and one.due_at <= tx.now:
            _lost(tx, one, routes[one.route], watch.playbook)
    waiting = [one.due_at - tx.now for one in known if one.incident_id is None and one.due_at > tx.now]
    return min(waiting, default=None)


def _start(tx: Transaction, known: Sequence[Heartbeat], routes: dict[str, Route]) -> list[Heartbeat]:
    """Heartbeats without a route end; those of a changed interval count by it; one that nobody could hear gets time, once."""
    kept = []
    for one in known:
        if one.route not in routes:
            save(tx, _back(tx, one, "its route is not in the routing file any more"))
            heartbeats.forget(tx, one.key)
            continue
        kept.append(_timed(one, _interval(routes[one.route]), tx.now))
        if kept[-1] != one:
            heartbeats.save(tx, kept[-1])
    return kept


def _timed(one: Heartbeat, interval: timedelta, now: datetime) -> Heartbeat:
    if one.incident_id is not None or one.graced:
        return one
    due_at = one.beat_at + interval if one.beat_at else one.due_at
    return replace(one, due_at=due_at) if due_at > now else replace(one, due_at=now + interval, graced=True)


def _lost_and_closed(tx: Transaction, known: Sequence[Heartbeat], routes: dict[str, Route]) -> Iterator[Heartbeat]:
    """A lost one whose incident a person has closed is awaited once more, for one interval."""
    ids = {one.incident_id for one in known if one.incident_id}
    over = {state.incident.id for state in incidents.load(tx, ids) if not state.incident.is_open} if ids else set()
    for one in known:
        if one.incident_id in over and one.route in routes:
            again = replace(one, incident_id=None, due_at=tx.now + _interval(routes[one.route]), graced=True)
            heartbeats.save(tx, again)
            yield again
        else:
            yield one


def _awaited(tx: Transaction, known: Sequence[Heartbeat], routes: dict[str, Route]) -> Iterator[Heartbeat]:
    """Routes that never saw a beat await their first, also when another replica with an older file has just forgotten them."""
    for route in sorted(routes.keys() - {one.route for one in known}):
        awaited = Heartbeat(_key(route), route, "default", {}, None, tx.now + _interval(routes[route]), False, None)
        heartbeats.save(tx, awaited)
        yield awaited


def _lost(tx: Transaction, one: Heartbeat, route: Route, playbook: Playbook) -> None:
    """Nothing has been heard for too long: an incident of its own, by the same rules as any other."""
    name = one.labels.get("alertname", one.route)
    labels = {**one.labels, "alertname": ALERT, "heartbeat": name, "severity": "critical"}
    since = one.beat_at or one.due_at - _interval(route)
    heard = f"the last beat came at {since:%Y-%m-%d %H:%M:%S} UTC" if one.beat_at else "no beat ever came"
    annotations = {"summary": f"{name} is not heard any more: {heard}"}
    alert = Alert(True, labels, annotations, since, None, "", fingerprint_of(labels))
    event = Notified(playbook.lost_key(route, one.source, one.key), (alert,), playbook.planner(route))
    subject = subject_key(one.source, event.key.subject, per_alert=False)
    before = next(iter(incidents.load_latest(tx, [subject])), None)
    changes = decide(before, event, tx.now)
    save_with_sections(tx, changes, playbook)
    heartbeats.save(tx, replace(one, incident_id=changes[-1].state.incident.id))


def save_with_sections(tx: Transaction, changes: list[Change], playbook: Playbook) -> None:
    """Write decisions that may have opened incidents, and the runbook sections that they keep."""
    revisions = {member.section for change in changes for member in change.changed if member.section}
    incidents.save_sections(tx, [playbook.sections[name] for name in revisions & playbook.sections.keys()])
    save(tx, changes)


def _back(tx: Transaction, one: Heartbeat, why: str = "the heartbeat is back") -> list[Change]:
    states = incidents.load(tx, [one.incident_id]) if one.incident_id else []
    return [change for state in states for change in decide(state, Ended(why), tx.now)]


def identity(route: Route) -> str:
    """What tells one heartbeat route from another, also when lines of the file move."""
    return ", ".join(sorted(f"{one.name}{one.operator}{one.value}" for one in route.matchers)) or "everything"


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _interval(route: Route) -> timedelta:
    assert route.heartbeat is not None
    return route.heartbeat
