"""Intake: what a batch of notifications does, in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from msgspec.structs import replace

from alertrouter import heartbeats, logs, telemetry
from alertrouter.alertmanager import Alert, Notification
from alertrouter.heartbeats import Beat
from alertrouter.incidents import Change, Incident, Key, Notified, State, decide
from alertrouter.pagerduty.events import severity_of
from alertrouter.planning import Playbook
from alertrouter.runbooks.section import Section
from alertrouter.store import incidents, traces, unreadable
from alertrouter.store.codec import incident_key, subject_key
from alertrouter.store.database import ConflictError, Transaction
from alertrouter.store.recent import Row

_NEVER = datetime.max.replace(tzinfo=UTC)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A notification, and what routing and the runbooks said when it came; `trace` is its context, if it is traced."""

    notification: Notification
    playbook: Playbook
    trace: str = ""


def receive(tx: Transaction, arrivals: Sequence[Arrival], latest: Sequence[Row]) -> list[list[str]]:
    """Decide and write many notifications; for each, the ids of the incidents that it belongs to.

    `latest` are the rows of the newest episodes of all that they may be about, locked.
    """
    batch = _Batch(tx, incidents.of_rows(tx, latest))
    answers: list[list[str]] = []
    made: list[tuple[Arrival, list[Change]]] = []
    for arrival in arrivals:
        before = len(batch.changes)
        answers.append(batch.apply(arrival))
        made.append((arrival, batch.changes[before:]))
    batch.confirm()
    back = heartbeats.beat(tx, batch.beats)
    incidents.save_sections(tx, batch.sections.values())
    incidents.save(tx, [*batch.changes, *back])
    unreadable.keep(tx, [arrival.notification for arrival in arrivals])
    for arrival, changes in made:
        traces.remember(tx, changes, arrival.trace)
    tx.after_commit.append(lambda: _tell(made, back))
    return answers


def _tell(made: Sequence[tuple[Arrival, Sequence[Change]]], back: Sequence[Change]) -> None:
    notifications = [arrival.notification for arrival, _ in made]
    telemetry.count_intake(
        [(arrival.notification.source, telemetry.outcome_of(changes)) for arrival, changes in made],
        alerts=sum(len(one.alerts) for one in notifications),
        firing=sum(alert.firing for one in notifications for alert in one.alerts),
        unreadable=sum(len(one.unreadable) for one in notifications),
    )
    for changes, trace in (*((changes, arrival.trace) for arrival, changes in made if changes), (back, "")):
        telemetry.count_changes(changes, trace)
        logs.tell(changes, trace)
        _warn_of_unknown_severities(changes)


def _warn_of_unknown_severities(changes: Sequence[Change]) -> None:
    """Such an alert pages as an error; whoever wrote the rule should know."""
    for change in changes:
        for label in {member.labels.get("severity", "") for member in change.changed if change.opened}:
            if not severity_of(label)[1]:
                _log.warning("a severity label is unknown and counts as error", label=label, incident=change.state.incident.id)


class _Batch:
    """The newest episodes that a batch is about, as they stand after each of its notifications."""

    def __init__(self, tx: Transaction, latest: Sequence[State]) -> None:
        self._tx = tx
        self._latest: dict[str, State] = {}
        self._keys_of_subject: dict[str, set[str]] = {}
        self._unknown: set[str] = set()
        self.beats: list[Beat] = []
        self.changes: list[Change] = []
        self.sections: dict[str, Section] = {}
        for state in latest:
            self._put(state)

    def apply(self, arrival: Arrival) -> list[str]:
        """Decide one notification; the ids of its incidents."""
        notification, playbook = arrival.notification, arrival.playbook
        ids = []
        for hashed, (key, alerts) in self._by_incident(notification, playbook).items():
            event = Notified(
                key,
                tuple(alerts),
                playbook.plan,
                notification.truncated,
                notification.receiver,
                notification.external_url,
                playbook.asks_first,
            )
            if hashed not in self._latest and not any(alert.firing for alert in alerts):
                self._unknown.add(subject_key(key.source, key.subject, per_alert=key.per_alert))
            changes = decide(self._latest.get(hashed), event, self._tx.now)
            for change in changes:
                self._put(change.state)
                revisions = {member.section for member in change.changed if member.section}
                self.sections |= {name: playbook.sections[name] for name in revisions & playbook.sections.keys()}
            self.changes += changes
            ids += [changes[-1].state.incident.id] if changes else []
        return ids

    def confirm(self) -> None:
        """Look again for what was resolved and is unknown: another replica may have opened it while we waited for its lock.

        PostgreSQL gives the row that was waited for, not the newer one that took its place. Raises ConflictError.
        """
        if not (self._unknown and self._tx.database.is_postgres):
            return
        now_there = incidents.load_latest(self._tx, self._unknown)
        if any(_hash(_key_of(state.incident)) not in self._latest for state in now_there):
            raise ConflictError("an incident was opened meanwhile")

    def _by_incident(self, notification: Notification, playbook: Playbook) -> dict[str, tuple[Key, list[Alert]]]:
        """Each alert with its incident: the open one that knows it, else the one that its route says.

        Open incidents of the group that wait for a whole body to be closed by are in it too, even without an alert.
        """
        group = self._open_of(subject_key(notification.source, notification.group_key, per_alert=False))
        found: dict[str, tuple[Key, list[Alert]]] = {}
        for alert in notification.alerts:
            known = self._that_knows(group, alert, notification.source)
            if playbook.routing.heartbeats and (route := playbook.routing.route(alert.labels)).heartbeat:
                self.beats += [Beat(route, notification.source, alert)] if alert.firing else []
                if known is None:
                    continue
                alert = replace(alert, firing=False, ends_at=alert.ends_at or self._tx.now)  # noqa: PLW2901 - from before the route
            if known is None or known not in found:
                key = _key_of(self._latest[known].incident) if known else playbook.key(notification, alert)
                known = known or _hash(key)
                found.setdefault(known, (key, []))
            found[known][1].append(alert)
        for hashed, state in group.items():
            if not state.incident.firing and state.incident.resolve_at is None:
                found.setdefault(hashed, (_key_of(state.incident), []))
        return found

    def _that_knows(self, group: Mapping[str, State], alert: Alert, source: str) -> str | None:
        """The key of the open incident that an alert is a member of: one of its group, else one of its own."""
        for hashed, state in group.items():
            if alert.fingerprint in state.members:
                return hashed
        own = self._open_of(subject_key(source, alert.fingerprint, per_alert=True))
        return next((hashed for hashed, state in own.items() if alert.fingerprint in state.members), None)

    def _open_of(self, subject: str) -> dict[str, State]:
        """By key. Those whose held-back resolve has come due are over, though no timer has said so yet."""
        states = ((hashed, self._latest[hashed]) for hashed in sorted(self._keys_of_subject.get(subject, ())))
        return {
            hashed: state
            for hashed, state in states
            if state.incident.is_open and (state.incident.resolve_at or _NEVER) > self._tx.now
        }

    def _put(self, state: State) -> None:
        incident = state.incident
        hashed = _hash(_key_of(incident))
        self._latest[hashed] = state
        subject = subject_key(incident.source, incident.subject, per_alert=incident.per_alert)
        self._keys_of_subject.setdefault(subject, set()).add(hashed)


def subjects_of(notification: Notification) -> Iterator[str]:
    """The subject keys of all that a notification may be about."""
    yield subject_key(notification.source, notification.group_key, per_alert=False)
    for alert in notification.alerts:
        yield subject_key(notification.source, alert.fingerprint, per_alert=True)


def _key_of(incident: Incident) -> Key:
    return Key(
        incident.source,
        incident.subject,
        incident.per_alert,
        incident.target,
        incident.repage_on_new_alert,
        incident.resolve_hold,
    )


def _hash(key: Key) -> str:
    return incident_key(key.source, key.subject, key.target, per_alert=key.per_alert)
