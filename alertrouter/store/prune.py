"""Forgetting what is long over, a few incidents at a time, so that nobody has to wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, bindparam, delete, exists, func, literal_column, select, type_coerce
from sqlalchemy.sql import ClauseElement
from sqlmodel import Session

from alertrouter.incidents.ids import first_id
from alertrouter.moments import to_micros
from alertrouter.store.database import Transaction, is_among
from alertrouter.tables import (
    AlertRow,
    ChangeRow,
    DeliveryRow,
    FallbackRow,
    HeldRow,
    IncidentRow,
    PagerDutyMergeRow,
    PagerDutyPageRow,
    PagerDutyWebhookRow,
    TimelineRow,
    TraceRow,
    UnreadableRow,
)

BATCH = 200
_incident: Any = IncidentRow.__table__  # type: ignore[attr-defined]
_delivery: Any = DeliveryRow.__table__  # type: ignore[attr-defined]
_OF_INCIDENTS: tuple[Any, ...] = (AlertRow, TimelineRow, DeliveryRow, PagerDutyPageRow, FallbackRow, HeldRow, TraceRow)
_BY_TIME: tuple[tuple[Any, str], ...] = (
    (PagerDutyWebhookRow, "received_at"),
    (PagerDutyMergeRow, "merged_at"),
    (ChangeRow, "at"),
    (UnreadableRow, "received_at"),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """Forget what was over before then. `after` is the id that the last batch ended with, empty for the first."""

    before: datetime
    after: str = ""


def prune(tx: Transaction, wishes: Sequence[Wish]) -> list[tuple[int, str]]:
    """Forget at most 200 resolved incidents with all that belongs to them; how many, and the last id, empty when all are gone.

    One that PagerDuty is still owed something for stays.
    """
    return [_prune(tx, wish) for wish in wishes]


def prune_others(tx: Transaction, wishes: Sequence[Wish]) -> list[bool]:
    """Forget webhooks that were heard, merges, changes and unreadable alerts that are older, at most 200 of each; whether there
    may be more.
    """
    return [_prune_others(tx, to_micros(wish.before)) for wish in wishes]


def count(session: Session, wish: Wish) -> int:
    """How many incidents there are to forget, or a few more: those that something is owed for are not looked for."""
    return int(session.connection().execute(_COUNT, _bounds(wish)).scalar_one())


def _prune(tx: Transaction, wish: Wish) -> tuple[int, str]:
    ids = [row[0] for row in tx.fetch(_select, **_bounds(wish))]
    if not ids:
        return 0, ""
    for statement in _PARTS:
        tx.run(statement, [{"ids": tx.array(ids)}])
    return len(ids), ids[-1]


def _prune_others(tx: Transaction, before: int) -> bool:
    return max(tx.run_one(statement, before=before) for statement in _OTHERS) >= BATCH


def _bounds(wish: Wish) -> dict[str, Any]:
    return {"after": wish.after, "until": first_id(wish.before), "before": to_micros(wish.before)}


def _select(_postgres: bool) -> ClauseElement:
    owed = select(_delivery.c.id).where(
        _delivery.c.incident_id == _incident.c.id, _delivery.c.state == literal_column("'pending'")
    )
    return select(_incident.c.id).where(*_OVER, ~exists(owed)).order_by(_incident.c.id).limit(BATCH)


def _forget(table: Any, column: str) -> Any:
    def statement(postgres: bool) -> ClauseElement:
        return delete(table.__table__).where(is_among(table.__table__.c[column], "ids", postgres))

    return statement


def _forget_older(table: Any, column: str) -> Any:
    def statement(_postgres: bool) -> ClauseElement:
        key = table.__table__.primary_key.columns[0]
        old = select(key).where(table.__table__.c[column] < bindparam("before")).limit(BATCH)
        return delete(table.__table__).where(key.in_(old))

    return statement


_OVER = (
    _incident.c.status == literal_column("'resolved'"),
    _incident.c.id > bindparam("after"),
    _incident.c.id < bindparam("until"),
    # the driver's own type, as everywhere in plain SQL
    type_coerce(_incident.c.resolved_at, BigInteger) < bindparam("before"),
)
_COUNT = select(func.count()).select_from(_incident).where(*_OVER)
_PARTS = [*(_forget(table, "incident_id") for table in _OF_INCIDENTS), _forget(IncidentRow, "id")]
_OTHERS = [_forget_older(table, column) for table, column in _BY_TIME]
