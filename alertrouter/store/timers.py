"""Timers are columns of the incident: the next step's time, and the end of a held-back resolve."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.sql import ClauseElement

from alertrouter.moments import from_micros, to_micros
from alertrouter.store.database import Transaction, is_among
from alertrouter.tables import IncidentRow

LOOK_SECONDS = 5.0
"""How often those that take steps look for timers at the latest, in real time; one that is due after that is no news to them."""
_incident: Any = IncidentRow.__table__  # type: ignore[attr-defined]


def due(tx: Transaction, most: int, among: Collection[str] | None) -> list[str]:
    """The ids of at most `most` incidents with a timer that is due, the longest overdue first; locked until the commit.

    Steps of an incident whose resolve is held back are not due; unless `among` is None, those of its incidents alone count.
    """
    now = to_micros(tx.now)
    if among is None:
        steps = tx.fetch(_select_steps, now=now, most=most)
    else:
        steps = tx.fetch(_select_steps_among, now=now, most=most, ids=tx.array(among))
    holds = tx.fetch(_select_holds, now=now, most=most - len(steps))
    return [row[0] for row in steps + holds]


def tell(tx: Transaction, moments: Iterable[datetime | None]) -> None:
    """These timers were set."""
    soon = tx.now + tx.database.clock.simulated(LOOK_SECONDS)
    tx.timers = tx.timers or any(moment is not None and moment <= soon for moment in moments)


def next_due(tx: Transaction) -> datetime | None:
    """The time of the soonest timer."""
    rows = tx.fetch(_select_next_step) + tx.fetch(_select_next_hold)
    return from_micros(min(row[0] for row in rows)) if rows else None


def _running(column: Any) -> Sequence[Any]:
    """The conditions of the partial indexes."""
    if column is _incident.c.due_at:
        return (column.is_not(None), _incident.c.resolve_at.is_(None))
    return (column.is_not(None),)


def _due(column: Any, *more: Any) -> ClauseElement:
    wanted = (*_running(column), column <= bindparam("now"), *more)
    query = select(_incident.c.id).where(*wanted).order_by(column).limit(bindparam("most"))
    return query.with_for_update(skip_locked=True)


def _next(column: Any) -> ClauseElement:
    return select(column).where(*_running(column)).order_by(column).limit(literal_column("1"))


def _select_steps(_postgres: bool) -> ClauseElement:
    return _due(_incident.c.due_at)


def _select_steps_among(postgres: bool) -> ClauseElement:
    return _due(_incident.c.due_at, is_among(_incident.c.id, "ids", postgres))


def _select_holds(_postgres: bool) -> ClauseElement:
    return _due(_incident.c.resolve_at)


def _select_next_step(_postgres: bool) -> ClauseElement:
    return _next(_incident.c.due_at)


def _select_next_hold(_postgres: bool) -> ClauseElement:
    return _next(_incident.c.resolve_at)
