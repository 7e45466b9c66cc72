"""From a claimed delivery to the event that PagerDuty gets: PURE."""

from collections.abc import Mapping, Sequence
from typing import Any

from alertrouter.deliveries import Job
from alertrouter.incidents import Member, Page, State
from alertrouter.incidents.draft import leader_of
from alertrouter.pagerduty import events
from alertrouter.runbooks.commands import Values
from alertrouter.runbooks.render import first_steps
from alertrouter.runbooks.section import Section
from alertrouter.urls import incident_url, page_url, section_url

_MOST_STEPS = 6000
_MOST_SECTIONS = 5


def event(job: Job, public_url: str, ack_url: str = "") -> dict[str, object]:
    """The event of a job, without its routing key."""
    delivery = job.delivery
    if delivery.action != "trigger":
        return events.follow(delivery.action, delivery.key)
    paging = _paging(job.state, job.sections, delivery.key, public_url, ack_url)
    return events.minimal(paging) if delivery.cut else events.trigger(paging)


def in_words(state: State, sections: Mapping[str, Section], public_url: str, ack_url: str = "") -> tuple[str, str]:
    """The page that opened an incident as a title and a text, for other ways than PagerDuty.

    Links come first: some ways cut a long text.
    """
    keys = [page.key for page in state.incident.pages]
    key = state.incident.id if state.incident.id in keys else keys[0]  # with target `none` only steps have paged
    trigger: dict[str, Any] = events.trigger(_paging(state, sections, key, public_url, ack_url))
    payload = trigger["payload"]
    details = [f"{name.partition(' ')[2]}:\n{text}" for name, text in sorted(payload["custom_details"].items())]
    links = [f"{link['text']}: {link['href']}" for link in trigger["links"]]
    return payload["summary"], "\n\n".join(["\n".join(links), *details])


def _paging(state: State, sections: Mapping[str, Section], key: str, public_url: str, ack_url: str) -> events.Paging:
    incident = state.incident
    members = _leading_first(state)
    section = sections.get(incident.section or "")
    page = next(page for page in incident.pages if page.key == key)
    return events.Paging(
        key=page.key,
        reason=_reason(page, incident.id),
        to=page.target,
        incident=incident,
        members=members,
        steps=_steps(members, sections, public_url),
        incident_url=incident_url(public_url, incident.id),
        client_url=page_url(public_url, page.key),
        runbook_url=section_url(public_url, section.path, section.anchor) if section else None,
        ack_url=ack_url,
        unread=f"{section.path}:{section.unread_line}" if section and section.unread_line else "",
    )


def _reason(page: Page, incident_id: str) -> events.Reason:
    if page.step:
        return "escalation"
    return "opened" if page.key == incident_id else "follow-up"


def _leading_first(state: State) -> list[Member]:
    leader = leader_of(state.members)
    others = [member for member in state.members.values() if member is not leader]
    return [leader, *others] if leader else others


def _steps(members: Sequence[Member], sections: Mapping[str, Section], public_url: str) -> list[events.Steps]:
    """The first steps of each alert's section, each section once, with the first such alert's labels."""
    by_revision: dict[str, Member] = {}
    for member in members:
        if member.section and member.section in sections and len(by_revision) < _MOST_SECTIONS:
            by_revision.setdefault(member.section, member)
    return [
        events.Steps(sections[revision].title, _first_steps(sections[revision], member, public_url))
        for revision, member in by_revision.items()
    ]


def _first_steps(section: Section, member: Member, public_url: str) -> str:
    """As much of the section as a page carries, and where the rest is."""
    values = Values(member.labels, member.annotations)
    text = first_steps(section.text, values, _MOST_STEPS, section_url(public_url, section.path, ""))
    return f"{text} {section_url(public_url, section.path, section.anchor)}" if text.endswith("…") else text
