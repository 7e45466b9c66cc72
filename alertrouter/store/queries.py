"""Reading, for pages and the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, desc, func, select

from alertrouter.holding import Held
from alertrouter.store import changes
from alertrouter.store.codec import LONGEST_NAME
from alertrouter.tables import (
    AlertRow,
    ChangeRow,
    DeliveryRow,
    FallbackRow,
    HeldRow,
    IncidentRow,
    PagerDutyPageRow,
    PagerDutyWebhookRow,
    SectionRow,
    TimelineRow,
    UnreadableRow,
)

IS_OPEN = col(IncidentRow.resolved_at).is_(None)
"""The condition of the index `incident_open`, word by word: a million past incidents are not looked at for a few open ones."""
MOST_MEMBERS = 1000
HEARTBEAT = "heartbeat/"
"""What the subject of a lost heartbeat's incident begins with; a group key begins with a brace."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A list of incidents, newest first. `status` may be `open`; `cursor` is the id that the last page ended with."""

    status: str | None = None
    alertname: str | None = None
    severity: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """An incident with all that belongs to it; of its alerts the first 1,000, firing and most severe ones first.

    `changes` are those of the hour before it.
    """

    incident: IncidentRow
    section: SectionRow | None
    members: Sequence[AlertRow]
    member_sections: dict[str, SectionRow]
    timeline: Sequence[TimelineRow]
    deliveries: Sequence[DeliveryRow]
    changes: Sequence[ChangeRow]


def list_incidents(session: Session, wanted: Wanted) -> tuple[list[tuple[IncidentRow, SectionRow | None]], str | None]:
    """Incidents with their sections, and the cursor of the next page."""
    query = select(IncidentRow, SectionRow).join(SectionRow, col(SectionRow.revision) == col(IncidentRow.section), isouter=True)
    if wanted.status == "open":
        query = query.where(IS_OPEN)
    elif wanted.status:
        query = query.where(col(IncidentRow.status) == wanted.status, *([] if wanted.status == "resolved" else [IS_OPEN]))
    if wanted.severity:
        query = query.where(col(IncidentRow.severity) == wanted.severity)
    if wanted.alertname:
        named = select(AlertRow.incident_id).where(col(AlertRow.name) == wanted.alertname[:LONGEST_NAME])
        query = query.where(col(IncidentRow.id).in_(named))
    if wanted.cursor:
        query = query.where(col(IncidentRow.id) < wanted.cursor)
    rows = list(session.exec(query.order_by(desc(col(IncidentRow.id))).limit(wanted.limit + 1)))
    page: list[tuple[IncidentRow, SectionRow | None]] = [(incident, section) for incident, section in rows[: wanted.limit]]
    return page, page[-1][0].id if len(rows) > wanted.limit else None


def story(session: Session, incident_id: str) -> Story | None:
    """One incident with its alerts, timeline, deliveries and the changes before it."""
    incident = session.get(IncidentRow, incident_id)
    if incident is None:
        return None
    severities = case({"critical": 0, "error": 1, "warning": 2}, value=col(AlertRow.severity), else_=3)
    members = session.exec(
        select(AlertRow)
        .where(col(AlertRow.incident_id) == incident_id)
        .order_by(desc(col(AlertRow.firing)), severities, col(AlertRow.starts_at), col(AlertRow.fingerprint))
        .limit(MOST_MEMBERS)
    ).all()
    revisions = {member.section for member in members} | {incident.section}
    sections = {
        row.revision: row for row in session.exec(select(SectionRow).where(col(SectionRow.revision).in_(revisions - {None})))
    }
    return Story(
        incident,
        sections.get(incident.section or ""),
        members,
        sections,
        session.exec(select(TimelineRow).where(TimelineRow.incident_id == incident_id).order_by(col(TimelineRow.id))).all(),
        session.exec(select(DeliveryRow).where(DeliveryRow.incident_id == incident_id).order_by(col(DeliveryRow.id))).all(),
        changes.before(session, incident.opened_at),
    )


def list_deliveries(session: Session, state: str | None, limit: int, cursor: int | None) -> tuple[list[DeliveryRow], int | None]:
    """Deliveries, newest first, and the cursor of the next page."""
    query = select(DeliveryRow)
    if state:
        query = query.where(DeliveryRow.state == state)
    if cursor is not None:
        query = query.where(col(DeliveryRow.id) < cursor)
    rows = list(session.exec(query.order_by(desc(col(DeliveryRow.id))).limit(limit + 1)))
    page = rows[:limit]
    return page, page[-1].id if len(rows) > limit else None


def opened_with(session: Session, path: str, most: int) -> Sequence[IncidentRow]:
    """The newest incidents that were opened with a section of a runbook file."""
    revisions = select(SectionRow.revision).where(SectionRow.path == path)
    query = select(IncidentRow).where(col(IncidentRow.section).in_(revisions))
    return session.exec(query.order_by(desc(col(IncidentRow.id))).limit(most)).all()


def unreadable_alerts(session: Session, most: int = 20) -> Sequence[UnreadableRow]:
    """The newest alerts that could not be read."""
    return session.exec(select(UnreadableRow).order_by(desc(col(UnreadableRow.id))).limit(most)).all()


def delivery_counts(session: Session) -> dict[str, int]:
    """How many deliveries are pending and dead."""
    query = select(DeliveryRow.state, func.count()).where(col(DeliveryRow.state).in_(("pending", "dead")))
    return {"pending": 0, "dead": 0} | dict(session.exec(query.group_by(DeliveryRow.state)).all())


def oldest_pending(session: Session) -> datetime | None:
    """Since when the oldest pending delivery is owed; None if none is."""
    query = select(DeliveryRow.created_at).where(DeliveryRow.state == "pending").order_by(col(DeliveryRow.id)).limit(1)
    return session.exec(query).first()


def open_counts(session: Session) -> dict[tuple[str, str], int]:
    """How many incidents are open, by severity and target."""
    names = (IncidentRow.severity, IncidentRow.target)
    query = select(*names, func.count()).where(IS_OPEN).group_by(*names)
    return {(severity, target): count for severity, target, count in session.exec(query).all()}


def keys_in_use(session: Session) -> dict[str, str]:
    """The fingerprints of the routing keys that open incidents were paged with, each with the name of its target then."""
    names = (col(DeliveryRow.key_fingerprint), DeliveryRow.target)
    query = select(*names).join(IncidentRow, col(IncidentRow.id) == col(DeliveryRow.incident_id)).distinct()
    was_sent = (DeliveryRow.action == "trigger", DeliveryRow.state == "sent", names[0].is_not(None))
    return {key: target for key, target in session.exec(query.where(IS_OPEN, *was_sent)) if key}


def firing_counts(session: Session) -> tuple[int, int]:
    """How many alerts fire in open incidents: with a runbook section, and without."""
    query = (
        select(func.count(AlertRow.section), func.count())  # type: ignore[arg-type]
        .join(IncidentRow, col(IncidentRow.id) == col(AlertRow.incident_id))
        .where(IS_OPEN, col(AlertRow.firing))
    )
    covered, total = session.exec(query).one()
    return covered, total - covered


def newest_of_each_name(session: Session) -> Sequence[AlertRow]:
    """An alert of the newest incident of every alert name, in the order of names.

    Goes from name to name in the index, so that the cost is that of the names, not of all alerts that ever came.
    """
    name, incident_id, fingerprint = col(AlertRow.name), col(AlertRow.incident_id), col(AlertRow.fingerprint)
    names = select(func.min(name).label("name")).cte("names", recursive=True)
    following = select(func.min(name)).where(name > names.c.name).scalar_subquery()
    names = names.union_all(select(following).where(names.c.name.is_not(None)))
    newest = select(func.max(incident_id)).where(name == names.c.name).scalar_subquery()
    found = select(names.c.name, newest.label("incident_id")).where(names.c.name.is_not(None)).cte("found")
    other = aliased(AlertRow)
    same = (col(other.name) == found.c.name) & (col(other.incident_id) == found.c.incident_id)
    one = select(func.min(other.fingerprint)).where(same).correlate(found).scalar_subquery()
    is_it = (name == found.c.name) & (incident_id == found.c.incident_id) & (fingerprint == one)
    return session.exec(select(AlertRow).join(found, is_it).order_by(name)).all()


def can_tell_of_pages(session: Session) -> bool:
    """Whether a page that no webhook told of is one that PagerDuty did not open: webhooks have named ours, or none ever came."""
    is_linked = session.exec(select(PagerDutyPageRow.dedup_key).limit(1)).first() is not None
    return is_linked or session.exec(select(PagerDutyWebhookRow.id).limit(1)).first() is None


def unconfirmed(session: Session, before: datetime, most: int) -> list[DeliveryRow]:
    """Pages of open incidents that PagerDuty took before then, and told nothing of, and that nobody has been warned of."""
    linked = select(PagerDutyPageRow.dedup_key).where(PagerDutyPageRow.dedup_key == DeliveryRow.dedup_key).exists()
    query = (
        select(DeliveryRow)
        .join(IncidentRow, col(IncidentRow.id) == col(DeliveryRow.incident_id))
        .where(IS_OPEN)
        .where(DeliveryRow.action == "trigger", DeliveryRow.state == "sent", col(DeliveryRow.sent_at) < before)
        .where(col(DeliveryRow.unconfirmed_at).is_(None), ~linked)
    )
    return list(session.exec(query.limit(most)))


def pages_with_step_due(session: Session, now: datetime, most: int) -> dict[str, list[str]]:
    """The PagerDuty keys of incidents whose next step is due, the longest overdue first."""
    due = (col(IncidentRow.due_at) <= now, col(IncidentRow.resolve_at).is_(None))
    query = select(IncidentRow.id, IncidentRow.pages).where(*due).order_by(col(IncidentRow.due_at)).limit(most)
    return {incident_id: [page.key for page in pages if not page.resolved] for incident_id, pages in session.exec(query)}


def open_pages(session: Session, most: int, cursor: str | None) -> dict[str, list[str]]:
    """The PagerDuty keys of open incidents, newest first, from those before `cursor` on."""
    is_next = [col(IncidentRow.id) < cursor] if cursor else []
    query = select(IncidentRow.id, IncidentRow.pages).where(IS_OPEN, *is_next).order_by(desc(col(IncidentRow.id))).limit(most)
    return {incident_id: [page.key for page in pages if not page.resolved] for incident_id, pages in session.exec(query)}


def stuck_pages(session: Session, before: datetime, most: int, cursor: str) -> list[tuple[str, str, dict[str, str]]]:
    """Open incidents with a page that PagerDuty refused, or that has been tried since before then, and no fallback yet.

    In the order of their ids, those after `cursor`; with each the reason, and the labels of one of its alerts.
    """
    asked = select(FallbackRow.incident_id).where(FallbackRow.incident_id == DeliveryRow.incident_id).exists()
    other = aliased(DeliveryRow)
    is_in_trouble = (col(other.state) == "pending") & col(other.error).is_not(None)
    waits_in_vain = (col(DeliveryRow.attempts) == 0) & select(other.id).where(is_in_trouble).exists()
    is_old = (col(DeliveryRow.state) == "pending") & (col(DeliveryRow.created_at) <= before)
    is_late = is_old & (col(DeliveryRow.error).is_not(None) | waits_in_vain)
    query = (
        select(DeliveryRow.incident_id, DeliveryRow.state, DeliveryRow.error)
        .join(IncidentRow, col(IncidentRow.id) == col(DeliveryRow.incident_id))
        .where(IS_OPEN, DeliveryRow.action == "trigger", ~asked)
        .where(is_late | (col(DeliveryRow.state) == "dead"), col(DeliveryRow.incident_id) > cursor)
        .order_by(col(DeliveryRow.incident_id), col(DeliveryRow.id))
        .limit(most)
    )
    found: dict[str, str] = {}
    for incident_id, state, error in session.exec(query):
        how = "PagerDuty refused this page" if state == "dead" else "PagerDuty could not be given this page"
        found.setdefault(incident_id, f"{how}: {error}" if error else how)
    return [(incident_id, why, labels_of(session, incident_id)) for incident_id, why in found.items()]


def went_other_ways(session: Session, incident_ids: Sequence[str]) -> set[str]:
    """Those incidents whose page another way than PagerDuty has taken."""
    is_taken = col(FallbackRow.sent_at).is_not(None) | col(FallbackRow.taken).is_not(None)
    return set(session.exec(select(FallbackRow.incident_id).where(col(FallbackRow.incident_id).in_(incident_ids), is_taken)))


def labels_of(session: Session, incident_id: str) -> dict[str, str]:
    """The labels of one of an incident's alerts, a firing one if there is one."""
    query = select(AlertRow).where(AlertRow.incident_id == incident_id).order_by(desc(col(AlertRow.firing)))
    alert = session.exec(query.limit(1)).first()
    return alert.labels if alert else {}


def held_incidents(session: Session, source: str) -> dict[str, Held]:
    """The open incidents of a source, and what its Alertmanagers held of them when they were last asked.

    That of a lost heartbeat is not among them: no Alertmanager ever held its alert.
    """
    query = (
        select(IncidentRow.id, IncidentRow.notifications, HeldRow)
        .join(HeldRow, col(HeldRow.incident_id) == col(IncidentRow.id), isouter=True)
        .where(IS_OPEN, IncidentRow.source == source, col(IncidentRow.firing) > 0)
        .where(~col(IncidentRow.subject).startswith(HEARTBEAT))
        .order_by(col(IncidentRow.id))
    )
    rows = session.exec(query)
    return {incident_id: Held(row.absent_since if row else None, None, heard) for incident_id, heard, row in rows}


def silences(session: Session, incident_ids: Sequence[str], now: datetime) -> dict[str, HeldRow]:
    """Those of these incidents that are open and silenced in Alertmanager."""
    mine = (col(HeldRow.incident_id).in_(incident_ids), col(HeldRow.silenced_until) > now)
    query = select(HeldRow).join(IncidentRow, col(IncidentRow.id) == col(HeldRow.incident_id)).where(*mine, IS_OPEN)
    return {row.incident_id: row for row in session.exec(query)}
