"""The API under `/api/v1`."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Any

import msgspec
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alertrouter.actions import Action, UnknownIncidentError, act
from alertrouter.durations import parse_duration
from alertrouter.incidents import Acknowledged, Escalated, Event, NothingLeftError, Resolved, Snoozed
from alertrouter.runbooks.commands import Values
from alertrouter.runbooks.render import to_markdown
from alertrouter.service import Service
from alertrouter.settings import in_clear
from alertrouter.store import queries
from alertrouter.store.database import UnavailableError, is_unavailable
from alertrouter.store.writer import OverloadedError
from alertrouter.web import views
from alertrouter.web.http import error, incident_id, is_authorised, read_body, service_of
from alertrouter.web.sign_in import ANYBODY, Viewer, viewer_of

ACTIONS = ("acknowledge", "resolve", "escalate", "snooze")
_MOST_BODY = 64 * 1024
_MOST_ROWS = 500
_MOST_DIGITS = 19
_READ = "read:"
_STATUSES = ("open", "triggered", "acknowledged", "resolved")
_STATES = ("pending", "sent", "superseded", "dead")

Endpoint = Callable[[Request], Awaitable[Response]]


def with_token(endpoint: Endpoint) -> Endpoint:
    """Ask for a token or for somebody who has signed in, where either is set up; 503 for a database that does not answer."""

    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        if refused := await _refused(request):
            return refused
        if any("\0" in value for value in request.query_params.values()):
            return error(400, "the query holds a NUL")
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
    service = service_of(request)
    query = request.query_params
    wanted = queries.Wanted(
        _one_of(query.get("status"), "status", _STATUSES),
        query.get("alertname"),
        query.get("severity"),
        _limit(request),
        query.get("cursor"),
    )

    def read() -> tuple[list[dict[str, Any]], str | None]:
        with service.database.read() as session:
            page, following = queries.list_incidents(session, wanted)
            return [views.incident_json(row, section, service.base_url) for row, section in page], following

    incidents, following = await asyncio.to_thread(read)
    return JSONResponse({"incidents": incidents, "next": following})


@with_token
async def show_incident(request: Request) -> Response:
    """The incident with its members, timeline, deliveries and `runbook.markdown`."""
    return await _incident(service_of(request), incident_id(request))


def acting(action: str) -> Endpoint:
    """Acknowledge, resolve, escalate or snooze: 200 with the incident, 409 when there is nothing to escalate or snooze."""

    @with_token
    async def act_on_incident(request: Request) -> Response:
        service = service_of(request)
        event = event_of(action, await read_object(request))
        try:
            await service.writer.submit(act, Action(incident_id(request), event))
        except NothingLeftError as problem:
            return error(409, str(problem))
        except UnknownIncidentError as problem:
            return error(404, str(problem))
        return await _incident(service, incident_id(request))

    return act_on_incident


@with_token
async def list_deliveries(request: Request) -> Response:
    """`{"deliveries": [...], "next": cursor|null}`, newest first."""
    service = service_of(request)
    state = _one_of(request.query_params.get("state"), "state", _STATES)
    limit, cursor = _limit(request), request.query_params.get("cursor")
    if cursor is not None and not (cursor.isdecimal() and len(cursor) < _MOST_DIGITS):
        raise HTTPException(400, "cursor is not one that this API gave")

    def read() -> tuple[list[dict[str, Any]], int | None]:
        with service.database.read() as session:
            rows, following = queries.list_deliveries(session, state, limit, int(cursor) if cursor else None)
            return [views.delivery_json(row) for row in rows], following

    deliveries, following = await asyncio.to_thread(read)
    return JSONResponse({"deliveries": deliveries, "next": None if following is None else str(following)})


@with_token
async def list_runbooks(request: Request) -> Response:
    """`{"sections": [{title, path, anchor, url, hit}]}`: those that hold every word of `q`, best first; without `q` all."""
    service, limit = service_of(request), _limit(request)
    query = request.query_params.get("q", "").strip()
    if query:
        hits = await asyncio.to_thread(service.library.shelf.search.find, query, limit)
        return JSONResponse({"sections": [views.hit_json(hit.section, hit.text, service.base_url) for hit in hits]})
    sections = [section for section in service.library.shelf.index.sections if section.anchor][:limit]
    return JSONResponse({"sections": [views.hit_json(section, (), service.base_url) for section in sections]})


async def _incident(service: Service, incident_id: str) -> Response:
    def read() -> dict[str, Any] | None:
        with service.database.read() as session:
            story = queries.story(session, incident_id)
            return views.story_json(story, service.base_url, _markdown(story)) if story else None

    found = await asyncio.to_thread(read)
    return JSONResponse(found) if found else error(404, f"there is no incident {incident_id}")


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
        raise HTTPException(400, f"the body is not a JSON object: {problem}") from None


def event_of(action: str, given: dict[str, Any]) -> Event:
    """What an action with these fields (`by`, `for`, `step`) means for the incident; 400 for what cannot be read."""
    by = name_in(given)
    if action == "acknowledge":
        return Acknowledged(by)
    if action == "resolve":
        return Resolved(by)
    if action == "snooze":
        return Snoozed(by, _snooze_for(given.get("for")))
    step = given.get("step")
    if step is not None and (not isinstance(step, int) or isinstance(step, bool)):
        raise HTTPException(400, "step is not a whole number")
    return Escalated(by, step)


def name_in(given: dict[str, Any]) -> str:
    """Who does it (`by`), in one line; 400 for what is no text."""
    by = given.get("by") or "somebody"
    if not isinstance(by, str):
        raise HTTPException(400, "by is not a string")
    return " ".join(by.replace("\0", " ").split())[:200]


def _snooze_for(text: Any) -> timedelta:
    if not isinstance(text, str):
        raise HTTPException(400, 'snooze wants {"for": "15m"}')
    try:
        return parse_duration(text)
    except ValueError as problem:
        raise HTTPException(400, f"for: {problem}") from None


def _one_of(value: str | None, name: str, allowed: tuple[str, ...]) -> str | None:
    if value is not None and value not in allowed:
        raise HTTPException(400, f"{name} is one of {', '.join(allowed)}")
    return value


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "50")
    if not (text.isdecimal() and len(text) < _MOST_DIGITS and 1 <= int(text) <= _MOST_ROWS):
        raise HTTPException(400, f"limit is a number from 1 to {_MOST_ROWS}")
    return int(text)
