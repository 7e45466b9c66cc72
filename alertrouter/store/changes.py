"""Changes in the database: keep what was posted, claim what is due, record what became of it, read those before a moment.

A lease is a due time in the future and `attempts` the fencing token, as in `alertrouter.store.outbox`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import bindparam, insert, literal_column, select, update
from sqlalchemy.sql import ClauseElement
from sqlmodel import Session, col, desc
from sqlmodel import select as select_rows

from alertrouter import changes
from alertrouter.changes import SHOWN_BEFORE, Posted
from alertrouter.columns import to_json
from alertrouter.incidents.state import NOBODY
from alertrouter.moments import from_micros, to_micros
from alertrouter.pagerduty.outcomes import Outcome
from alertrouter.store.database import Transaction
from alertrouter.store.outbox import LEASE_SECONDS
from alertrouter.store.writer import locks_no_incident
from alertrouter.tables import ChangeRow

_MOST_SHOWN = 20
_change: Any = ChangeRow.__table__  # type: ignore[attr-defined]
_PENDING: Any = literal_column("'pending'")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A change, and the name of the target that it goes to, which may be `none`."""

    posted: Posted
    target: str


@locks_no_incident
def keep(tx: Transaction, arrivals: Sequence[Arrival]) -> list[int]:
    """Store changes; their ids."""
    tx.changes = tx.changes or any(one.target != NOBODY for one in arrivals)
    return [_keep(tx, one) for one in arrivals]


def _keep(tx: Transaction, arrival: Arrival) -> int:
    now = to_micros(tx.now)
    at = arrival.posted.at
    [(number,)] = tx.fetch(
        _insert,
        at=now if at is None else to_micros(at),
        received_at=now,
        target=arrival.target,
        event=to_json(arrival.posted.event),
        state="recorded" if arrival.target == NOBODY else "pending",
        attempts=0,
        due_at=now,
    )
    return int(number)


@dataclass(frozen=True, slots=True)
class Owed:
    """A change that was claimed; `attempts` counts those before this one."""

    id: int
    target: str
    event: dict[str, Any]
    at: datetime
    received_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim gave. If there may be no more at once, `wait` is for how long, None for ever."""

    owed: tuple[Owed, ...]
    more: bool
    wait: timedelta | None


@locks_no_incident
def claim(tx: Transaction, limits: Sequence[int]) -> list[Claimed]:
    """Lease at most so many changes that are due, the longest waiting first."""
    return [_claim(tx, limit) for limit in limits]


def _claim(tx: Transaction, limit: int) -> Claimed:
    rows = tx.fetch(_select_due, now=to_micros(tx.now), most=limit)
    owed = tuple(
        Owed(row[0], row[1], msgspec.json.decode(row[2]), from_micros(row[3]), from_micros(row[4]), row[5]) for row in rows
    )
    lease = to_micros(tx.now + tx.database.clock.simulated(LEASE_SECONDS))
    tx.run(_lease, [{"b_id": one.id, "attempts": one.attempts + 1, "due_at": lease} for one in owed])
    following = tx.fetch(_select_next)
    return Claimed(owed, len(owed) == limit, from_micros(following[0][0]) - tx.now if following else None)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of an attempt; `delay` is for what is to be tried again."""

    owed: Owed
    outcome: Outcome
    delay: timedelta


@locks_no_incident
def record(tx: Transaction, attempts: Sequence[Attempt]) -> list[changes.Record]:
    """Write what came of attempts, unless somebody else has taken the lease over since."""
    return [_record(tx, attempt) for attempt in attempts]


def _record(tx: Transaction, attempt: Attempt) -> changes.Record:
    owed = attempt.owed
    new = changes.record(owed.received_at, attempt.outcome, tx.now, attempt.delay)
    tx.run_one(
        _write_record,
        b_id=owed.id,
        b_attempts=owed.attempts + 1,
        state=new.state,
        due_at=to_micros(new.due_at),
        error=new.error,
        sent_at=new.sent_at and to_micros(new.sent_at),
    )
    return new


def before(session: Session, moment: datetime) -> Sequence[ChangeRow]:
    """The changes of the hour before a moment, the latest first, at most 20."""
    at = col(ChangeRow.at)
    wanted = select_rows(ChangeRow).where(at <= moment, at >= moment - SHOWN_BEFORE)
    return session.exec(wanted.order_by(desc(at), desc(col(ChangeRow.id))).limit(_MOST_SHOWN)).all()


def _insert(_postgres: bool) -> ClauseElement:
    names = ("at", "received_at", "target", "event", "state", "attempts", "due_at")
    return insert(_change).values({name: bindparam(name) for name in names}).returning(_change.c.id)


def _select_due(_postgres: bool) -> ClauseElement:
    columns = (_change.c[name] for name in ("id", "target", "event", "at", "received_at", "attempts"))
    due = (_change.c.state == _PENDING, _change.c.due_at <= bindparam("now"))
    query = select(*columns).where(*due).order_by(_change.c.due_at, _change.c.id).limit(bindparam("most"))
    return query.with_for_update(skip_locked=True)


def _select_next(_postgres: bool) -> ClauseElement:
    return select(_change.c.due_at).where(_change.c.state == _PENDING).order_by(_change.c.due_at).limit(literal_column("1"))


def _lease(_postgres: bool) -> ClauseElement:
    values: dict[str, Any] = {name: bindparam(name) for name in ("attempts", "due_at")}
    return update(_change).where(_change.c.id == bindparam("b_id")).values(values)


def _write_record(_postgres: bool) -> ClauseElement:
    mine = (_change.c.id == bindparam("b_id"), _change.c.attempts == bindparam("b_attempts"), _change.c.state == _PENDING)
    return update(_change).where(*mine).values({name: bindparam(name) for name in ("state", "due_at", "error", "sent_at")})
