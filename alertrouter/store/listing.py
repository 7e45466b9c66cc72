"""Lists of incidents for the on-call page."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, TypeDecorator, case, type_coerce
from sqlmodel import Session, col, desc, func, select

from alertrouter.incidents import Incident
from alertrouter.store import codec
from alertrouter.store.queries import IS_OPEN
from alertrouter.tables import DeliveryRow, IncidentRow, TimelineRow

_MOST_LOOKED_AT = 5000


def _plain(column: Any) -> ColumnElement[Any]:
    return type_coerce(column, column.type.impl) if isinstance(column.type, TypeDecorator) else column


_INCIDENTS: Select[Any] = select(*(_plain(getattr(IncidentRow, name)) for name in codec.INCIDENT_COLUMNS))
"""Plain values, which `alertrouter.store.codec` makes incidents of in two fifths of the time that a session's objects take."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What incidents must be like; `text` is part of the title, in either case."""

    status: str | None = None
    severity: str | None = None
    target: str | None = None
    text: str = ""


def open_ones(session: Session, wanted: Filter, limit: int, offset: int) -> tuple[list[Incident], int]:
    """Open incidents by severity, the oldest of each first, and how many there are."""
    conditions = [IS_OPEN, *_conditions(wanted)]
    severities = case({"critical": 0, "error": 1, "warning": 2}, value=col(IncidentRow.severity), else_=3)
    query = _INCIDENTS.where(*conditions).order_by(severities, col(IncidentRow.opened_at), col(IncidentRow.id))
    found = session.exec(select(func.count()).select_from(IncidentRow).where(*conditions)).one()
    return _read(session, query.limit(limit).offset(offset)), found


def past(session: Session, wanted: Filter, cursor: str | None, limit: int) -> tuple[list[Incident], str | None]:
    """Resolved incidents, newest first, and where to go on.

    Looks at no more than 5,000 at a time, so that what is rare among a million costs no more than what is frequent: a page may
    then be short, and there is more.
    """
    before = [col(IncidentRow.status) == "resolved", *([col(IncidentRow.id) < cursor] if cursor else [])]
    newest = select(IncidentRow.id).where(*before).order_by(desc(col(IncidentRow.id)))
    last = session.exec(newest.offset(_MOST_LOOKED_AT - 1).limit(1)).first()
    near = [col(IncidentRow.id) >= last] if last else []
    query = _INCIDENTS.where(*before, *near, *_conditions(wanted)).order_by(desc(col(IncidentRow.id)))
    found = _read(session, query.limit(limit + 1))
    if len(found) > limit:
        return found[:limit], found[limit - 1].id
    return found, last


def version(session: Session, incident_id: str | None) -> str:
    """A text that is another one when an incident, or any, has something new to show."""
    of = [TimelineRow.incident_id == incident_id] if incident_id else []
    told = session.exec(select(func.max(col(TimelineRow.id))).where(*of)).one()
    sent = select(DeliveryRow.state, func.count(), func.sum(DeliveryRow.attempts)).group_by(DeliveryRow.state)
    owed = [DeliveryRow.incident_id == incident_id] if incident_id else [col(DeliveryRow.state).in_(("pending", "dead"))]
    states = session.exec(sent.where(*owed).order_by(DeliveryRow.state)).all()
    return "-".join(str(part) for part in (told, *(part for row in states for part in row)))


def _read(session: Session, query: Select[Any]) -> list[Incident]:
    return [codec.incident_from(row) for row in session.execute(query)]


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    found = [getattr(IncidentRow, name) == value for name in ("status", "severity", "target") if (value := getattr(wanted, name))]
    if wanted.text:
        found.append(col(IncidentRow.title).icontains(wanted.text, autoescape=True))
    return found
