"""The page of an incident."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from alertrouter.escalation import Step
from alertrouter.incidents import Incident
from alertrouter.incidents.draft import next_step, step_by_hand
from alertrouter.pagerduty.events import silence_url
from alertrouter.runbooks.changes import Line, difference
from alertrouter.runbooks.commands import Values
from alertrouter.runbooks.render import to_html
from alertrouter.service import Service
from alertrouter.store import listing, queries
from alertrouter.tables import AlertRow, SectionRow
from alertrouter.urls import incident_url, section_url
from alertrouter.web.http import Refusal, incident_id, service_of
from alertrouter.web.languages import Say
from alertrouter.web.rendering import page, prefix_of, readable, say_to, spell
from alertrouter.web.urgency import incident_of, next_target, target_of

_MOST_SHOWN = 200
_MOST_SECTIONS = 10


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
    """One escalation step: its rule in words, its time while it is still to come, and what has become of it.

    `fate`: `paged`, `nothing` (there was nothing to send), `over`, `stopped` (by an acknowledgement), `next` or `later`.
    """

    to: str
    rule: str
    fate: str
    at: datetime | None


@readable
async def incident(request: Request) -> Response:
    """One incident with its runbook, alerts, escalation and story."""
    service, prefix = service_of(request), prefix_of(request)
    say = say_to(request)
    shown = await asyncio.to_thread(_read_incident, service, incident_id(request), prefix, say)
    if shown is None:
        raise Refusal(404, "there is no such incident")
    return page(
        request,
        "incident.html",
        **shown,
        most=_MOST_SHOWN,
        next_target=next_target,
        incident_url=incident_url,
        section_url=section_url,
    )


def _read_incident(service: Service, chosen: str, prefix: str, say: Say) -> dict[str, Any] | None:
    now = service.database.read_now()
    with service.database.read() as session:
        version = listing.version(session, chosen)
        story = queries.story(session, chosen)
        silence = queries.silences(session, [chosen], now).get(chosen)
        other_ways = queries.went_other_ways(session, [chosen])
    if story is None:
        return None
    shown = incident_of(story.incident)
    return {
        "version": version,
        "now": now,
        "incident": shown,
        "parts": _parts(story, service, prefix),
        "steps": [_step(shown, number, say) for number in range(1, len(shown.policy.steps) + 1)],
        "next_by_hand": step_by_hand(shown),
        "by_hand": target_of(shown, step_by_hand(shown)),
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


def _step(incident: Incident, number: int, say: Say) -> _Step:
    step = incident.policy.steps[number - 1]
    due = incident.armed_at + step.after
    if number <= incident.step:
        paged = any(page.step == number for page in incident.pages)
        fate, at = ("paged" if paged else "nothing"), None
    elif not incident.is_open:
        fate, at = "over", None
    elif step.unless == "acknowledged" and incident.status == "acknowledged":
        fate, at = "stopped", None
    else:
        is_next = number == next_step(incident)
        fate, at = ("next" if is_next else "later"), (incident.due_at if is_next else due)
    return _Step(step.to or incident.target, _rule(step, say), fate, at)


def _rule(step: Step, say: Say) -> str:
    texts = {
        "acknowledged": say("%(after)s after the opening, unless acknowledged"),
        "resolved": say("%(after)s after the opening, unless resolved"),
        None: say("%(after)s after the opening"),
    }
    return texts[step.unless] % {"after": spell(step.after)} if step.after else say("at once")
