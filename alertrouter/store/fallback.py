"""Which incidents go other ways than through PagerDuty: at most once each, by a lease as the outbox has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, literal_column, select, update
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
_MOST = 10
_fallback: Any = FallbackRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Notice:
    """An incident that is to go other ways, and why; `attempts` counts this one, and is the fencing token."""

    state: State
    sections: dict[str, Section]
    why: str
    attempts: int


def ask(tx: Transaction, wanted: Sequence[tuple[str, str]]) -> int:
    """Ask for the fallback of incidents, each with a reason; how many had not been asked for."""
    now = to_micros(tx.now)
    return sum(tx.run_one(_insert, incident_id=one, why=why, asked_at=now, due_at=now, attempts=0) for one, why in wanted)


def claim(tx: Transaction) -> list[Notice]:
    """Lease those that are due; what is over meanwhile is left alone."""
    rows = {row[0]: (row[1], row[2] + 1) for row in tx.fetch(_select_due, now=to_micros(tx.now), most=_MOST)}
    until = to_micros(tx.now + LEASE)
    tx.run(_lease, [{"b_id": one, "attempts": attempts, "due_at": until} for one, (_, attempts) in rows.items()])
    states = [state for state in incidents.load(tx, rows) if state.incident.is_open]
    sections = sections_of(tx, states)
    return [Notice(state, sections, *rows[state.incident.id]) for state in states]


def record(tx: Transaction, notice: Notice, sent_at: datetime | None, due_at: datetime) -> bool:
    """Write what came of an attempt; False if somebody else has the lease by now."""
    row = {
        "b_id": notice.state.incident.id,
        "b_attempts": notice.attempts,
        "sent_at": sent_at and to_micros(sent_at),
        "due_at": to_micros(due_at),
    }
    return tx.run_one(_record, **row) > 0


def _insert(postgres: bool) -> ClauseElement:
    statement: Any = (postgresql if postgres else sqlite).insert(_fallback)
    names = ("incident_id", "why", "asked_at", "due_at", "attempts")
    return statement.values({name: bindparam(name) for name in names}).on_conflict_do_nothing()  # type: ignore[no-any-return]


def _select_due(_postgres: bool) -> ClauseElement:
    due = (_fallback.c.sent_at.is_(None), _fallback.c.due_at <= bindparam("now"))
    query = select(_fallback.c.incident_id, _fallback.c.why, _fallback.c.attempts).where(*due)
    return query.order_by(_fallback.c.due_at).limit(bindparam("most")).with_for_update(skip_locked=True)


def _lease(_postgres: bool) -> ClauseElement:
    values: dict[str, Any] = {name: bindparam(name) for name in ("attempts", "due_at")}
    return update(_fallback).where(_fallback.c.incident_id == bindparam("b_id")).values(values)


def _record(_postgres: bool) -> ClauseElement:
    mine = (
        _fallback.c.incident_id == bindparam("b_id"),
        _fallback.c.attempts == bindparam("b_attempts"),
        _fallback.c.sent_at.is_(literal_column("NULL")),
    )
    return update(_fallback).where(*mine).values(sent_at=bindparam("sent_at"), due_at=bindparam("due_at"))
