"""What people and the clock do to incidents, in the writer's transactions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from alertrouter import logs, telemetry
from alertrouter.incidents import Change, Event, NothingLeftError, Ticked, decide
from alertrouter.refusals import RefusalError
from alertrouter.store import incidents, timers, traces
from alertrouter.store.database import Transaction
from alertrouter.traces import span

MOST_TIMERS = 500


class UnknownIncidentError(RefusalError):
    """There is no incident with that id."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a person does to one incident."""

    incident_id: str
    event: Event


def act(tx: Transaction, actions: Sequence[Action]) -> list[Exception | None]:
    """Do what people ask; an UnknownIncidentError or a NothingLeftError is the answer to what cannot be done."""
    states = {state.incident.id: state for state in incidents.load(tx, {action.incident_id for action in actions})}
    answers: list[Exception | None] = []
    changes: list[Change] = []
    for action in actions:
        if action.incident_id not in states:
            answers.append(UnknownIncidentError("there is no incident %(id)s", id=action.incident_id))
            continue
        try:
            made = decide(states[action.incident_id], action.event, tx.now)
        except NothingLeftError as error:
            answers.append(error)
            continue
        changes += made
        if made:
            states[action.incident_id] = made[-1].state
        answers.append(None)
    save(tx, changes)
    return answers


@dataclass(frozen=True, slots=True)
class Fired:
    """How many incidents had a timer due, and how long it is to the next timer, None where there is none."""

    count: int
    wait: timedelta | None


def fire_timers(tx: Transaction, wishes: Sequence[Collection[str] | None]) -> list[Fired]:
    """Take the steps that are due and close the incidents whose hold is over, at most 500 at a time.

    A wish may name the incidents whose steps may be taken: PagerDuty was asked about those alone.
    """
    ids = timers.due(tx, MOST_TIMERS, wishes[0])
    if ids:
        _tick(tx, ids)
    next_due = timers.next_due(tx)
    return [Fired(len(ids), next_due - tx.now if next_due else None)] * len(wishes)


def _tick(tx: Transaction, ids: Sequence[str]) -> None:
    changes = [change for state in incidents.load(tx, ids) for change in decide(state, Ticked(), tx.now)]
    contexts = traces.recall(tx, ids)
    if not contexts:
        save(tx, changes)
        return
    for change in changes:
        incident = change.state.incident
        with span("timer", parent=traces.of_incident(contexts, incident.id), incident=incident.id, step=incident.step) as trace:
            save(tx, [change], trace)
            traces.remember(tx, [change], trace)


def save(tx: Transaction, changes: Sequence[Change], trace: str = "") -> None:
    """Write decisions; count and tell them once they are committed."""
    if changes:
        incidents.save(tx, changes)
        tx.after_commit.append(lambda: _tell(changes, trace))


def _tell(changes: Sequence[Change], trace: str) -> None:
    telemetry.count_changes(changes, trace)
    logs.tell(changes, trace)
