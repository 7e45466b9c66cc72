"""The on-call page and the page of an incident, and the routes of all pages."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alertrouter.escalation import Policy, Step
from alertrouter.incidents import Incident
from alertrouter.incidents.draft import SEVERITIES, next_step
from alertrouter.pagerduty.events import silence_url
from alertrouter.runbooks.changes import Line, difference
from alertrouter.runbooks.commands import Values
from alertrouter.runbooks.render import to_html
from alertrouter.service import Service
from alertrouter.store import queries
from alertrouter.tables import AlertRow, DeliveryRow, HeldRow, IncidentRow, SectionRow, UnreadableRow
from alertrouter.timeline import sentence
from alertrouter.urls import incident_url, section_url
from alertrouter.web import forms, reading
from alertrouter.web.api import ACTIONS
from alertrouter.web.http import incident_id, service_of
from alertrouter.web.rendering import page, prefix_of, readable, spell

_MOST_OPEN = 200
_MOST_RECENT = 20
_MOST_TROUBLES = 20
_MOST_SHOWN = 200
_MOST_SECTIONS = 10
_LONG_PENDING = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class _Home:
    """What the on-call page shows: `total` counts open incidents, `troubles` those with runbook files, `dead` deliveries."""

    now: datetime
    open: Sequence[Incident]
    total: int
    recent: Sequence[Incident]
    silences: Mapping[str, HeldRow]
    other_ways: Collection[str]
    troubles: int
    routing_problems: Sequence[str]
    dead: int
    dead_deliveries: Sequence[DeliveryRow]
    late_deliveries: Sequence[DeliveryRow]
    unreadable: Sequence[UnreadableRow]


@dataclass(frozen=True, slots=True)
class _Part:
    """The runbook of one kind of alert in an incident: `html` and `section`, None if there is none.

    `changes` are those of the file since; None if there are none, empty if the section is not there any more.
    """

    alertname: str
    section: SectionRow | None
    html: str
    changes: Sequence[Line] | None


@dataclass(frozen=True, slots=True)
class _Step:
    """One escalation step: in words, what has become of it, and its time while it is still to come."""

    to: str
    rule: str
    fate: str
    at: datetime | None


@readable
async def home(request: Request) -> Response:
    """Open incidents, the most urgent first; what is wrong with delivery; what was resolved lately."""
    shown = await asyncio.to_thread(_read_home, service_of(request))
    return page(request, "home.html", home=shown, next_target=_next_target, incident_url=incident_url)


@readable
async def incident(request: Request) -> Response:
    """One incident with its runbook, alerts, escalation and story."""
    service, prefix = service_of(request), prefix_of(request)
    shown = await asyncio.to_thread(_read_incident, service, incident_id(request), prefix)
    if shown is None:
        raise HTTPException(404, "There is no such incident.")
    return page(
        request,
        "incident.html",
        **shown,
        most=_MOST_SHOWN,
        next_target=_next_target,
        sentence=sentence,
        incident_url=incident_url,
        section_url=section_url,
    )


def _read_home(service: Service) -> _Home:
    now = service.database.read_now()
    with service.database.read() as session:
        recent, _ = queries.list_incidents(session, queries.Wanted("resolved", limit=_MOST_RECENT))
        pending, _ = queries.list_deliveries(session, "pending", _MOST_SHOWN, None)
        dead, _ = queries.list_deliveries(session, "dead", _MOST_TROUBLES, None)
        open_ = _most_urgent(session)
        return _Home(
            now,
            open_,
            sum(queries.open_counts(session).values()),
            sorted((_incident_of(row) for row, _ in recent), key=lambda one: one.resolved_at or one.opened_at, reverse=True),
            queries.silences(session, [one.id for one in open_]),
            queries.went_other_ways(session, [one.id for one in open_]),
            len(service.library.shelf.troubles),
            service.files.problems,
            queries.delivery_counts(session)["dead"],
            dead,
            [one for one in pending if one.created_at < now - _LONG_PENDING],
            queries.unreadable_alerts(session, _MOST_TROUBLES),
        )


def _most_urgent(session: Session) -> list[Incident]:
    """Open incidents by severity, the oldest of each first; of very many the newest of each are shown."""
    found: list[Incident] = []
    for severity in SEVERITIES:
        rows, _ = queries.list_incidents(session, queries.Wanted("open", severity=severity, limit=_MOST_OPEN))
        found += sorted((_incident_of(row) for row, _ in rows), key=lambda one: one.opened_at)
    return found


def _read_incident(service: Service, chosen: str, prefix: str) -> dict[str, Any] | None:
    now = service.database.read_now()
    with service.database.read() as session:
        story = queries.story(session, chosen)
        silence = queries.silences(session, [chosen]).get(chosen)
        other_ways = queries.went_other_ways(session, [chosen])
    if story is None:
        return None
    shown = _incident_of(story.incident)
    return {
        "now": now,
        "incident": shown,
        "parts": _parts(story, service, prefix),
        "steps": [_step(shown, number) for number in range(1, len(shown.policy.steps) + 1)],
        "by_hand": _target_of(shown, shown.step + 1),
        "silence": silence,
        "other_ways": other_ways,
        "silence_url": _silence_url(story),
        "story": story,
    }


def _silence_url(story: queries.Story) -> str:
    """Where the alerts are silenced: the form of their sender, filled in."""
    first = next((member for member in story.members if member.firing), None)
    if first is None or not story.incident.external_url:
        return ""
    return first.annotations.get("silenceURL") or silence_url(story.incident.external_url.rstrip("/"), first.labels)


def _incident_of(row: IncidentRow) -> Incident:
    names = [field.name for field in fields(Incident) if field.name != "policy"]
    return Incident(policy=Policy(row.policy_steps, row.policy_source), **{name: getattr(row, name) for name in names})


def _parts(story: queries.Story, service: Service, prefix: str) -> list[_Part]:
    """The sections of the alerts, each once with the first such alert's labels, and the names without one; the leader's first."""
    first: dict[tuple[str | None, str], AlertRow] = {}
    for member in sorted(story.members, key=lambda member: member.section != story.incident.section):
        first.setdefault((member.section, "" if member.section else member.name), member)
    return [
        _part(member, story.member_sections.get(member.section or ""), service, prefix)
        for member in islice(first.values(), _MOST_SECTIONS)
    ]


def _part(member: AlertRow, section: SectionRow | None, service: Service, prefix: str) -> _Part:
    if section is None:
        return _Part(member.name, None, "", None)
    values = Values(member.labels, member.annotations)
    html = to_html(section.text, values, section_url(prefix, section.path, ""))
    return _Part(member.name, section, html, _changes(member, section, service))


def _changes(member: AlertRow, section: SectionRow, service: Service) -> Sequence[Line] | None:
    """What the runbooks say now at the same place, or else of the same alert, against what they said then."""
    index = service.library.shelf.index
    found = index.find(member.labels, member.annotations, service.base_url)
    now = index.at(section.path, section.anchor) or (found.section if found else None)
    if now is None:
        return ()
    return None if now.text == section.text else difference(section.text, now.text)


def _step(incident: Incident, number: int) -> _Step:
    step = incident.policy.steps[number - 1]
    due = incident.armed_at + step.after
    if number <= incident.step:
        paged = any(page.step == number for page in incident.pages)
        fate, at = ("paged" if paged else "nothing to send"), None
    elif not incident.is_open:
        fate, at = "not needed", None
    elif step.unless == "acknowledged" and incident.status == "acknowledged":
        fate, at = "stopped by the acknowledgement", None
    else:
        is_next = number == next_step(incident)
        fate, at = ("next" if is_next else "later"), (incident.due_at if is_next else due)
    return _Step(step.to or incident.target, _rule(step), fate, at)


def _rule(step: Step) -> str:
    if not step.after:
        return "at once"
    return f"{spell(step.after)} after the opening" + (f", unless {step.unless}" if step.unless else "")


def _next_target(incident: Incident) -> str:
    """Who is paged at `due_at`; empty if nobody is."""
    return _target_of(incident, next_step(incident) or 0) if incident.due_at else ""


def _target_of(incident: Incident, number: int) -> str:
    """Whom a step pages; empty if there is no such step."""
    if not 1 <= number <= len(incident.policy.steps):
        return ""
    return incident.policy.steps[number - 1].to or incident.target


routes = [
    Route("/", home),
    Route("/incidents/{id}", incident),
    *(Route(f"/incidents/{{id}}/{action}", forms.acting(action), methods=["POST"]) for action in ACTIONS),
    Route("/runbooks", reading.runbooks),
    Route("/runbooks/coverage", reading.coverage),
    Route("/runbooks/for/{alertname:path}", reading.runbook_for),
    Route("/runbooks/{path:path}", reading.runbook),
]
