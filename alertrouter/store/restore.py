"""The statements of a restore: what a backup still owes, and setting it aside."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, exists, literal_column, or_, select, update
from sqlalchemy.sql import ClauseElement

from alertrouter.moments import from_micros, to_micros
from alertrouter.store.database import Transaction
from alertrouter.tables import ChangeRow, DeliveryRow, FallbackRow, HeartbeatRow, IncidentRow, PagerDutyPageRow, TimelineRow

_change: Any = ChangeRow.__table__  # type: ignore[attr-defined]
_delivery: Any = DeliveryRow.__table__  # type: ignore[attr-defined]
_fallback: Any = FallbackRow.__table__  # type: ignore[attr-defined]
_heartbeat: Any = HeartbeatRow.__table__  # type: ignore[attr-defined]
_incident: Any = IncidentRow.__table__  # type: ignore[attr-defined]
_link: Any = PagerDutyPageRow.__table__  # type: ignore[attr-defined]
_timeline: Any = TimelineRow.__table__  # type: ignore[attr-defined]
_IS_OPEN = _incident.c.resolved_at.is_(None)


@dataclass(frozen=True, slots=True)
class Owed:
    """A delivery that a backup still owes. `state` is `pending`, or `dead` where the fallback would take the page."""

    id: int
    incident_id: str
    target: str
    action: str
    state: str
    created_at: datetime
    title: str


def owed(tx: Transaction) -> list[Owed]:
    """Triggers and acknowledgements that wait, and dead triggers of open incidents, in the order in which they were owed.

    Resolves are not among them: they page nobody, a key is never used again, and a page that is over must not stay open.
    """
    rows = tx.fetch(_select_owed)
    return [Owed(row[0], row[1], row[2], row[3], row[4], from_micros(row[5]), row[6]) for row in rows]


def supersede(tx: Transaction, deliveries: list[Owed]) -> None:
    """They are not sent. The triggers may have been, after the backup: their resolves are still owed."""
    tx.run(_supersede, [{"b_id": one.id, "unsure": one.action == "trigger"} for one in deliveries])


def with_timer_due(tx: Transaction) -> list[str]:
    """The ids of open incidents with a step or the end of a hold that is due."""
    return [row[0] for row in tx.fetch(_select_due, now=to_micros(tx.now))]


def newest(tx: Transaction) -> datetime | None:
    """When the last line of any timeline was written: how old a backup is."""
    rows = tx.fetch(_select_newest)
    return from_micros(rows[0][0]) if rows else None


def open_incidents(tx: Transaction) -> list[str]:
    """The titles of the open incidents."""
    return [row[0] for row in tx.fetch(_select_open)]


def drop_fallbacks(tx: Transaction) -> int:
    """Pages that were to go other ways do not; how many."""
    return tx.run_one(_drop_fallbacks)


def record_changes(tx: Transaction) -> int:
    """Changes that were to be sent on are kept and not sent; how many."""
    return tx.run_one(_record_changes)


def confirm_pages(tx: Transaction) -> None:
    """Whether PagerDuty opened an incident for these pages was told to whoever went on: nobody is to be warned now."""
    tx.run_one(_confirm_pages, at=to_micros(tx.now))


def grace_heartbeats(tx: Transaction) -> int:
    """Heartbeats that are overdue are given their interval by the start that follows; how many."""
    return tx.run_one(_grace_heartbeats, now=to_micros(tx.now))


def _select_owed(_postgres: bool) -> ClauseElement:
    names = ("id", "incident_id", "target", "action", "state", "created_at")
    waits = (_delivery.c.state == literal_column("'pending'")) & (_delivery.c.action != literal_column("'resolve'"))
    is_dead_page = (
        (_delivery.c.state == literal_column("'dead'")) & (_delivery.c.action == literal_column("'trigger'")) & _IS_OPEN
    )
    mine = _incident.c.id == _delivery.c.incident_id
    query = select(*(_delivery.c[name] for name in names), _incident.c.title).join(_incident, mine)
    return query.where(
        _delivery.c.state.in_((literal_column("'pending'"), literal_column("'dead'"))), waits | is_dead_page
    ).order_by(_delivery.c.id)


def _supersede(_postgres: bool) -> ClauseElement:
    values: dict[str, Any] = {"state": literal_column("'superseded'"), "unsure": bindparam("unsure")}
    return update(_delivery).where(_delivery.c.id == bindparam("b_id")).values(values)


def _select_due(_postgres: bool) -> ClauseElement:
    is_due = or_(_incident.c.due_at <= bindparam("now"), _incident.c.resolve_at <= bindparam("now"))
    return select(_incident.c.id).where(_IS_OPEN, is_due).order_by(_incident.c.id)


def _select_newest(_postgres: bool) -> ClauseElement:
    return select(_timeline.c.at).order_by(_timeline.c.id.desc()).limit(literal_column("1"))


def _select_open(_postgres: bool) -> ClauseElement:
    return select(_incident.c.title).where(_IS_OPEN).order_by(_incident.c.id)


def _drop_fallbacks(_postgres: bool) -> ClauseElement:
    return delete(_fallback).where(_fallback.c.sent_at.is_(None))


def _record_changes(_postgres: bool) -> ClauseElement:
    return update(_change).where(_change.c.state == literal_column("'pending'")).values(state=literal_column("'recorded'"))


def _confirm_pages(_postgres: bool) -> ClauseElement:
    is_linked = exists(select(_link.c.dedup_key).where(_link.c.dedup_key == _delivery.c.dedup_key))
    is_open = exists(select(_incident.c.id).where(_incident.c.id == _delivery.c.incident_id, _IS_OPEN))
    sent = (_delivery.c.state == literal_column("'sent'"), _delivery.c.action == literal_column("'trigger'"))
    wanted = (*sent, _delivery.c.unconfirmed_at.is_(None), ~is_linked, is_open)
    return update(_delivery).where(*wanted).values(unconfirmed_at=bindparam("at"))


def _grace_heartbeats(_postgres: bool) -> ClauseElement:
    overdue = (_heartbeat.c.incident_id.is_(None), _heartbeat.c.due_at <= bindparam("now"))
    return update(_heartbeat).where(*overdue).values(graced=literal_column("false"))
