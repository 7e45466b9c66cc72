"""The API under `/api/v1`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request
from starlette.responses import Response

from alertrouter.actions import Action, UnknownIncidentError, act
from alertrouter.incidents import Acknowledged, Escalated, Event, NothingLeftError, Resolved, Snoozed
from alertrouter.runbooks.commands import Values
from alertrouter.runbooks.render import to_markdown
from alertrouter.settings import in_clear
from alertrouter.store import queries
from alertrouter.store.database import UnavailableError, is_unavailable
from alertrouter.store.writer import OverloadedError
from alertrouter.web import views
from alertrouter.web.http import (
    Refusal,
    answer,
    error,
    incident_id,
    is_authorised,
    read_body,
    read_fields,
    read_query,
    service_of,
)
from alertrouter.web.schema import (
    By,
    Deliveries,
    EscalateBy,
    Incidents,
    Sections,
    SnoozeBy,
    Story,
    WantedDeliveries,
    WantedIncidents,
    WantedSections,
)
from alertrouter.web.sign_in.viewer import ANYBODY, Viewer, viewer_of

ACTIONS = ("acknowledge", "resolve", "escalate", "snooze")
_MOST_BODY = 64 * 1024
_READ = "read:"

Endpoint = Callable[[Request], Awaitable[Response]]


def with_token(endpoint: Endpoint) -> Endpoint:
    """Ask for a token or for somebody who has signed in, where either is set up; 503 for a database that does not answer."""

    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        if refused := await _refused(request):
            return refused
        try:
            return await endpoint(request)
        except (UnavailableError, OverloadedError, DBAPIError) as problem:
            if isinstance(problem, DBAPIError) and not is_unavailable(problem):
                raise
            return error(503, "the database does not answer just now; try again")

    return guarded


async def _refused(request: Request) -> Response | None:
    """401 for nobody we know, 403 for somebody who may only read."""
    settings = service_of(request).settings
    tokens, is_reading = in_clear(settings.api_tokens), request.method in {"GET", "HEAD"}
    readers = {token: token.removeprefix(_READ) for token in tokens if token.startswith(_READ)}
    if tokens and is_authorised(request, [token for token in tokens if token not in readers]):
        return None
    if readers and is_authorised(request, readers.values()):
        return None if is_reading else error(403, "this token may read and not act")
    if tokens and settings.auth == "none":
        return error(401, "an API token is wanted (ALERTROUTER_API_TOKENS)", {"WWW-Authenticate": "Bearer"})
    who = await viewer_of(request, settings)
    if who is None:
        return error(401, "an API token is wanted, or sign in", {"WWW-Authenticate": "Bearer"})
    request.state.viewer = who
    return None if is_reading or who.may_act else error(403, f"{who.name} may read and not act (ALERTROUTER_AUTH_ACTORS)")


@with_token
async def list_incidents(request: Request) -> Response:
    """`{"incidents": [...], "next": cursor|null}`, newest first."""
    service, given = service_of(request), read_query(request, WantedIncidents)
    wanted = queries.Wanted(given.status, given.alertname, given.severity, given.limit, given.cursor)

    def read() -> Incidents:
        with service.database.read() as session:
            page, following = queries.list_incidents(session, wanted)
            return Incidents(incidents=[views.incident(row, section, service.base_url) for row, section in page], next=following)

    return answer(request, await asyncio.to_thread(read))


@with_token
async def show_incident(request: Request) -> Response:
    """The incident with its members, timeline, deliveries and `runbook.markdown`."""
    return await _incident(request)


def acting(action: str) -> Endpoint:
    """Acknowledge, resolve, escalate or snooze: 200 with the incident, 409 when there is nothing to escalate or snooze."""

    @with_token
    async def act_on_incident(request: Request) -> Response:
        event = event_of(action, await read_object(request))
        try:
            await service_of(request).writer.submit(act, Action(incident_id(request), event))
        except NothingLeftError as problem:
            return error(409, str(problem))
        except UnknownIncidentError as problem:
            return error(404, str(problem))
        return await _incident(request)

    return act_on_incident


@with_token
async def list_deliveries(request: Request) -> Response:
    """`{"deliveries": [...], "next": cursor|null}`, newest first."""
    service, given = service_of(request), read_query(request, WantedDeliveries)

    def read() -> Deliveries:
        with service.database.read() as session:
            cursor = int(given.cursor) if given.cursor else None
            rows, following = queries.list_deliveries(session, given.state, given.limit, cursor)
            after = None if following is None else str(following)
            return Deliveries(deliveries=[views.delivery(row) for row in rows], next=after)

    return answer(request, await asyncio.to_thread(read))


@with_token
async def list_runbooks(request: Request) -> Response:
    """`{"sections": [{title, path, anchor, url, hit}]}`: those that hold every word of `q`, best first; without `q` all."""
    service, given = service_of(request), read_query(request, WantedSections)
    shelf = service.library.shelf
    if given.q.strip():
        hits = await asyncio.to_thread(shelf.search.find, given.q, given.limit)
        found = [views.section(hit.section, hit.text, service.base_url) for hit in hits]
    else:
        headed = (section for section in shelf.index.sections if section.anchor)
        found = [views.section(section, (), service.base_url) for section in islice(headed, given.limit)]
    return answer(request, Sections(sections=found))


async def _incident(request: Request) -> Response:
    service, chosen = service_of(request), incident_id(request)

    def read() -> Story | None:
        with service.database.read() as session:
            story = queries.story(session, chosen)
            return views.story(story, service.base_url, _markdown(story)) if story else None

    found = await asyncio.to_thread(read)
    return answer(request, found) if found else error(404, f"there is no incident {chosen}")


def _markdown(story: queries.Story) -> str | None:
    """The section with its commands filled in for the leading alert."""
    section = story.section
    leader = next((member for member in story.members if member.section == story.incident.section), None)
    return to_markdown(section.text, Values(leader.labels, leader.annotations) if leader else Values()) if section else None


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object, empty if there is none, with who has signed in for `by`; 400 for anything else."""
    body = await read_body(request, _MOST_BODY)
    who: Viewer = getattr(request.state, "viewer", ANYBODY)
    signed_in = {"by": who.name} if who.name else {}
    if not body.strip():
        return {**signed_in}
    try:
        return msgspec.json.decode(body, type=dict[str, Any]) | signed_in
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise Refusal(400, "the body is not a JSON object: %(why)s", why=problem) from None


def event_of(action: str, given: Mapping[str, Any]) -> Event:
    """What an action with these fields (`by`, `for`, `step`) means for the incident; 400 for what cannot be read."""
    if action == "snooze":
        snooze = read_fields(given, SnoozeBy)
        return Snoozed(snooze.name, snooze.for_)
    if action == "escalate":
        escalate = read_fields(given, EscalateBy)
        return Escalated(escalate.name, escalate.step)
    by = read_fields(given, By).name
    return Acknowledged(by) if action == "acknowledge" else Resolved(by)
