"""Reading past incidents for the report."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from alertrouter.incidents.ids import first_id
from alertrouter.report import Episode
from alertrouter.routing import DRILL_SOURCE
from alertrouter.tables import AlertRow, IncidentRow, TimelineRow


def since(session: Session, moment: datetime) -> Iterator[Episode]:
    """The incidents that opened since then, but for fire drills. Ids sort by time, so that those before cost nothing."""
    alert = (
        select(col(AlertRow.name))
        .where(col(AlertRow.incident_id) == IncidentRow.id)
        .order_by(col(AlertRow.joined_at), col(AlertRow.fingerprint))
        .limit(1)
        .correlate(IncidentRow)
        .scalar_subquery()
    )
    acknowledged = (
        select(func.min(col(TimelineRow.at)))
        .where(col(TimelineRow.incident_id) == IncidentRow.id, col(TimelineRow.kind) == "acknowledged")
        .correlate(IncidentRow)
        .scalar_subquery()
    )
    query = select(
        alert,
        col(IncidentRow.opened_at),
        acknowledged,
        col(IncidentRow.resolved_at),
        col(IncidentRow.resolved_by_person),
        col(IncidentRow.pages),
    )
    wanted = (col(IncidentRow.id) >= first_id(moment), col(IncidentRow.source) != DRILL_SOURCE)
    rows = session.execute(query.where(*wanted))
    for name, opened_at, acknowledged_at, resolved_at, by_person, pages in rows:
        steps = sum(page.step > 0 for page in pages)
        yield Episode(name or "", opened_at, acknowledged_at, resolved_at, by_person, len(pages), steps)
