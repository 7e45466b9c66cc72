"""Which incidents go other ways than through PagerDuty: at most once each, by a lease as the outbox has."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from alertrouter.incidents import State
from alertrouter.moments import to_micros
from alertrouter.runbooks.section import Section
from alertrouter.store import incidents
from alertrouter.store.database import Transaction
from alertrouter.store.outbox import sections_of
from alertrouter.tables import FallbackRow

LEASE = timedelta(seconds=90)
MOST = 10
_fallback: Any = FallbackRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Notice:
    """An incident that is to go other ways, and why; `attempts` counts this one, and is the fencing token.

    `taken` are the ways that have taken it before.
    """

    state: State
    sections: dict[str, Section]
    why: str
    attempts: int
    taken: frozenset[str]


def ask(tx: Transaction, wanted: Sequence[tuple[str, str]]) -> int:
    """Ask for the fallback of incidents, each with a reason; how many had not been asked for."""
    now = to_micros(tx.now)
    return sum(tx.run_one(_insert, incident_id=one, why=why, asked_at=now, due_at=now, attempts=0) for one, why in wanted)


def claim(tx: Transaction) -> list[Notice]:
    """Lease those that are due, at most MOST; what is over meanwhile is forgotten."""
    now, until = to_micros(tx.now), to_micros(tx.now + LEASE)
    while due := {row[0]: row[1:] for row in tx.fetch(_select_due, now=now, most=MOST)}:
        states = [state for state in incidents.load(tx, due) if state.incident.is_open]
        over = due.keys() - {state.incident.id for state in states}
        tx.run(_forget, [{"b_id": one} for one in over])
        if states:
            sections = sections_of(tx, states)
            notices = [_notice(state, sections, *due[state.incident.id]) for state in states]
            tx.run(_lease, [{"b_id": one.state.incident.id, "attempts": one.attempts, "due_at": until} for one in notices])
            return notices
    return []


def _notice(state: State, sections: dict[str, Section], why: str, attempts: int, taken: str | None) -> Notice:
    return Notice(state, sections, why, attempts + 1, frozenset((taken or "").split()))


def record(tx: Transaction, notice: Notice, taken: Collection[str], sent_at: datetime | None, due_at: datetime) -> bool:
    """Write what came of an attempt, and which ways have taken it by now; False if somebody else has the lease by now."""
    row = {
        "b_id": notice.state.incident.id,
        "b_attempts": notice.attempts,
        "sent_at": sent_at and to_micros(sent_at),
        "due_at": to_micros(due_at),
        "taken": " ".join(sorted(taken)) or None,
    }
    return tx.run_one(_record, **row) > 0


def _insert(postgres: bool) -> ClauseElement:
    statement: Any = (postgresql if postgres else sqlite).insert(_fallback)
    names = ("incident_id", "why", "asked_at", "due_at", "attempts")
    return statement.values({name: bindparam(name) for name in names}).on_conflict_do_nothing()  # type: ignore[no-any-return]


def _select_due(_postgres: bool) -> ClauseElement:
    due = (_fallback.c.sent_at.is_(None), _fallback.c.due_at <= bindparam("now"))
    query = select(_fallback.c.incident_id, _fallback.c.why, _fallback.c.attempts, _fallback.c.taken).where(*due)
    return query.order_by(_fallback.c.due_at).limit(bindparam("most")).with_for_update(skip_locked=True)


def _lease(_postgres: bool) -> ClauseElement:
    values: dict[str, Any] = {name: bindparam(name) for name in ("attempts", "due_at")}
    return update(_fallback).where(_fallback.c.incident_id == bindparam("b_id")).values(values)


def _forget(_postgres: bool) -> ClauseElement:
    return delete(_fallback).where(_fallback.c.incident_id == bindparam("b_id"))


def _record(_postgres: bool) -> ClauseElement:
    mine = (
        _fallback.c.incident_id == bindparam("b_id"),
        _fallback.c.attempts == bindparam("b_attempts"),
        _fallback.c.sent_at.is_(literal_column("NULL")),
    )
    return update(_fallback).where(*mine).values({name: bindparam(name) for name in ("sent_at", "due_at", "taken")})
