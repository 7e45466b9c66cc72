"""What keeps an open page up to date: server-sent events that say when it is to be loaded again.

An event carries the version of what the page shows. A connection begins with the version of that moment, so that a page that
lost its connection knows whether it missed anything.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from sqlalchemy.exc import DBAPIError
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alertrouter.service import Service
from alertrouter.store import listing
from alertrouter.store.database import UnavailableError
from alertrouter.web.http import incident_id, service_of
from alertrouter.web.rendering import readable

LOOK_SECONDS = 3.0
_PAUSE_SECONDS = 0.3
_PING_SECONDS = 25


@readable
async def of_all(request: Request) -> Response:
    """News of the on-call page."""
    return _stream(request, None)


@readable
async def of_incident(request: Request) -> Response:
    """News of one incident."""
    return _stream(request, incident_id(request))


def _stream(request: Request, chosen: str | None) -> Response:
    service = service_of(request)
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return EventSourceResponse(_news(service, chosen), ping=_PING_SECONDS, headers=headers)


async def _news(service: Service, chosen: str | None) -> AsyncIterator[ServerSentEvent]:
    """A version whenever there is another one. Commits wake it, here and on other replicas; it also looks for itself."""
    last = ""
    while True:
        ring = service.bell.next_ring
        with suppress(DBAPIError, UnavailableError):  # the page stays as it is while the database is away
            version = await asyncio.to_thread(_version, service, chosen)
            if version != last:
                last = version
                yield ServerSentEvent(data=version, id=version)
        await asyncio.sleep(_PAUSE_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await ring.wait()


def _version(service: Service, chosen: str | None) -> str:
    with service.database.read() as session:
        return listing.version(session, chosen)


routes = [Route("/live", of_all), Route("/live/{id}", of_incident)]
