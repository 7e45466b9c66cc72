"""Rows as the API's shapes."""

from alertrouter.durations import format_duration
from alertrouter.runbooks import section as runbooks
from alertrouter.runbooks.search import Marked
from alertrouter.store import queries
from alertrouter.tables import AlertRow, ChangeRow, DeliveryRow, IncidentRow, SectionRow, TimelineRow
from alertrouter.timeline import sentence
from alertrouter.urls import incident_url, section_url
from alertrouter.web.schema import (
    Alerts,
    Change,
    Delivery,
    Entry,
    Escalation,
    FilledRunbook,
    Incident,
    Member,
    Runbook,
    Section,
    Step,
    Story,
)


def incident(row: IncidentRow, section: SectionRow | None, public_url: str) -> Incident:
    """One incident."""
    told = {
        "key": row.subject,
        "alerts": Alerts(firing=row.firing, resolved=row.resolved),
        "escalation": _escalation(row),
        "runbook": _runbook(section, public_url) if section else None,
        "url": incident_url(public_url, row.id),
    }
    same = {name: getattr(row, name) for name in Incident.model_fields if name not in told}
    return Incident.model_validate(same | told)


def story(found: queries.Story, public_url: str, markdown: str | None) -> Story:
    """One incident with all that belongs to it; `markdown` is its section with the commands filled in."""
    head = incident(found.incident, None, public_url)
    section = _runbook(found.section, public_url) if found.section else None
    return Story(
        **{name: getattr(head, name) for name in Incident.model_fields if name != "runbook"},
        runbook=FilledRunbook(**section.model_dump(), markdown=markdown) if section else None,
        members=[_member(row) for row in found.members],
        timeline=[_entry(row) for row in found.timeline],
        deliveries=[delivery(row) for row in found.deliveries],
        changes=[change(row) for row in found.changes],
    )


def delivery(row: DeliveryRow) -> Delivery:
    """One event that is or was owed to PagerDuty."""
    return Delivery.model_validate(row)


def change(row: ChangeRow) -> Change:
    """A change that somebody told of."""
    payload = row.event["payload"]
    told = {
        "summary": payload["summary"],
        "source": payload.get("source"),
        "links": row.event.get("links", []),
        "details": payload.get("custom_details", {}),
    }
    same = {name: getattr(row, name) for name in Change.model_fields if name not in told}
    return Change.model_validate(same | told)


def section(found: runbooks.Section, hit: Marked, public_url: str) -> Section:
    """A section, and the text around what was searched for in it."""
    return Section(
        title=found.title,
        path=found.path,
        anchor=found.anchor,
        url=section_url(public_url, found.path, found.anchor),
        hit="".join(text for text, _ in hit),
    )


def _escalation(row: IncidentRow) -> Escalation:
    steps = [Step(after=format_duration(step.after), to=step.to, unless=step.unless) for step in row.policy_steps]
    return Escalation.model_validate({"policy": steps, "from": row.policy_source, "step": row.step, "due_at": row.due_at})


def _member(row: AlertRow) -> Member:
    same = {name: getattr(row, name) for name in Member.model_fields if name != "status"}
    return Member.model_validate({**same, "status": "firing" if row.firing else "resolved"})


def _entry(row: TimelineRow) -> Entry:
    return Entry(at=row.at, kind=row.kind, text=sentence(row.kind, row.detail), detail=row.detail)


def _runbook(row: SectionRow, public_url: str) -> Runbook:
    return Runbook(
        title=row.title,
        path=row.path,
        anchor=row.anchor,
        url=section_url(public_url, row.path, row.anchor),
        revision=row.revision,
        commit=row.commit,
    )
