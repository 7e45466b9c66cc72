"""Incidents, alerts and deliveries as the API's JSON (the shapes are in docs/api.md)."""

from typing import Any

from alertrouter.durations import format_duration
from alertrouter.moments import rfc3339
from alertrouter.runbooks.search import Marked
from alertrouter.runbooks.section import Section
from alertrouter.store.queries import Story
from alertrouter.tables import AlertRow, ChangeRow, DeliveryRow, IncidentRow, SectionRow, TimelineRow
from alertrouter.timeline import sentence
from alertrouter.urls import incident_url, section_url

Json = dict[str, Any]


def incident_json(row: IncidentRow, section: SectionRow | None, public_url: str) -> Json:
    """One incident. Times are RFC 3339 in UTC; `escalation.due_at` is null when no step is left."""
    return {
        "id": row.id,
        "key": row.subject,
        "source": row.source,
        "status": row.status,
        "severity": row.severity,
        "title": row.title,
        "target": row.target,
        "opened_at": rfc3339(row.opened_at),
        "acknowledged_at": _time(row.acknowledged_at),
        "acknowledged_by": row.acknowledged_by,
        "resolve_at": _time(row.resolve_at),
        "resolved_at": _time(row.resolved_at),
        "resolve_reason": row.resolve_reason,
        "snoozed_until": _time(row.snoozed_until),
        "previous": row.previous,
        "notifications": row.notifications,
        "alerts": {"firing": row.firing, "resolved": row.resolved},
        "escalation": {
            "policy": [{"after": format_duration(step.after), "to": step.to, "unless": step.unless} for step in row.policy_steps],
            "from": row.policy_source,
            "step": row.step,
            "due_at": _time(row.due_at),
        },
        "runbook": runbook_json(section, public_url),
        "url": incident_url(public_url, row.id),
    }


def story_json(story: Story, public_url: str, markdown: str | None) -> Json:
    """One incident with its alerts, timeline, deliveries, and the changes before it.

    `markdown` is its section with the commands filled in.
    """
    incident = incident_json(story.incident, story.section, public_url)
    if incident["runbook"] is not None:
        incident["runbook"]["markdown"] = markdown
    return incident | {
        "members": [member_json(member) for member in story.members],
        "timeline": [entry_json(entry) for entry in story.timeline],
        "deliveries": [delivery_json(delivery) for delivery in story.deliveries],
        "changes": [change_json(change) for change in story.changes],
    }


def member_json(row: AlertRow) -> Json:
    """One alert of an incident."""
    return {
        "fingerprint": row.fingerprint,
        "status": "firing" if row.firing else "resolved",
        "severity": row.severity,
        "title": row.title,
        "labels": row.labels,
        "annotations": row.annotations,
        "generator_url": row.generator_url,
        "starts_at": rfc3339(row.starts_at),
        "ends_at": _time(row.ends_at),
    }


def entry_json(row: TimelineRow) -> Json:
    """One line of the timeline, as a sentence and as facts."""
    return {"at": rfc3339(row.at), "kind": row.kind, "text": sentence(row.kind, row.detail), "detail": row.detail}


def delivery_json(row: DeliveryRow) -> Json:
    """One event that is or was owed to PagerDuty."""
    return {
        "id": row.id,
        "incident": row.incident_id,
        "target": row.target,
        "action": row.action,
        "dedup_key": row.dedup_key,
        "state": row.state,
        "attempts": row.attempts,
        "error": row.error,
        "due_at": rfc3339(row.due_at),
        "sent_at": _time(row.sent_at),
    }


def change_json(row: ChangeRow) -> Json:
    """A change that somebody told of, such as a deploy."""
    payload = row.event["payload"]
    return {
        "id": row.id,
        "at": rfc3339(row.at),
        "summary": payload["summary"],
        "source": payload.get("source"),
        "links": row.event.get("links", []),
        "details": payload.get("custom_details", {}),
        "target": row.target,
        "state": row.state,
        "error": row.error,
    }


def runbook_json(section: SectionRow | None, public_url: str) -> Json | None:
    """Where an incident's section is read."""
    if section is None:
        return None
    return {
        "title": section.title,
        "path": section.path,
        "anchor": section.anchor,
        "url": section_url(public_url, section.path, section.anchor),
        "revision": section.revision,
        "commit": section.commit,
    }


def hit_json(section: Section, hit: Marked, public_url: str) -> Json:
    """A section that was searched for, and the text around what was found in it."""
    return {
        "title": section.title,
        "path": section.path,
        "anchor": section.anchor,
        "url": section_url(public_url, section.path, section.anchor),
        "hit": "".join(text for text, _ in hit),
    }


def _time(moment: Any) -> str | None:
    return None if moment is None else rfc3339(moment)
