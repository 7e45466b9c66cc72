"""The links that acknowledge without signing in: looking at one asks, and its button acts, so that previews do nothing."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alertrouter.ack_links import BadLinkError
from alertrouter.actions import Action, act
from alertrouter.service import Service
from alertrouter.store import queries
from alertrouter.tables import IncidentRow
from alertrouter.urls import incident_url
from alertrouter.web.api import event_of
from alertrouter.web.forms import pressing
from alertrouter.web.http import Refusal, service_of
from alertrouter.web.rendering import page, prefix_of, readable


async def ask(request: Request) -> Response:
    """The incident in a few lines, and the button."""
    service = service_of(request)
    row = await asyncio.to_thread(_read, service, await _incident_id(request))
    return page(request, "ack.html", incident=row, incident_url=incident_url)


async def _acknowledge(request: Request, fields: Mapping[str, str]) -> None:
    event = event_of("acknowledge", fields)
    await service_of(request).writer.submit(act, Action(await _incident_id(request), event))


async def _incident_id(request: Request) -> str:
    """The incident that the link is for; 404 where there are no such links, 410 for a link that is over."""
    service = service_of(request)
    links = service.playbook.ack_links
    if links is None:
        raise Refusal(404, "There are no such links (ALERTROUTER_ACK_LINKS).")
    try:
        return links.incident_of(request.path_params["token"], await asyncio.to_thread(service.database.read_now))
    except BadLinkError as problem:
        raise Refusal(410, problem) from None


def _read(service: Service, incident_id: str) -> IncidentRow:
    with service.database.read() as session:
        story = queries.story(session, incident_id)
    if story is None:
        raise Refusal(404, "there is no such incident")
    return story.incident


def _back(request: Request) -> str:
    return f"{prefix_of(request)}/ack/{request.path_params['token']}"


routes = [
    Route("/ack/{token}", readable(ask, is_open=True)),
    Route("/ack/{token}", pressing(_acknowledge, _back, is_open=True), methods=["POST"]),
]
