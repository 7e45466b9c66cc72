"""Webhook of change events: deploys and the like, told by pipelines and people."""

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alertrouter.changes import MOST_BYTES, MalformedChangeError, parse
from alertrouter.incidents.state import NOBODY
from alertrouter.routing import Routing
from alertrouter.settings import in_clear
from alertrouter.store import changes
from alertrouter.store.changes import Arrival
from alertrouter.store.database import UnavailableError
from alertrouter.store.writer import OverloadedError
from alertrouter.web.http import error, is_authorised, read_body, service_of

_log = structlog.get_logger()


async def change(request: Request) -> Response:
    """Take a change: 202 `{"id": n}` after the commit; 400 for what cannot be read, 503 for what cannot be stored now."""
    service = service_of(request)
    if not is_authorised(request, in_clear(service.settings.webhook_tokens)):
        return _refuse(401, "a webhook token is wanted (ALERTROUTER_WEBHOOK_TOKENS)", {"WWW-Authenticate": "Bearer"})
    try:
        body = await read_body(request, MOST_BYTES)
        posted = parse(body)
        target = _target(posted.target, service.playbook.routing)
        number = await service.writer.submit(changes.keep, Arrival(posted, target), size=len(body))
    except MalformedChangeError as problem:
        return _refuse(400, str(problem))
    except (UnavailableError, OverloadedError) as problem:
        return _refuse(503, f"not stored, try again: {problem}")
    return JSONResponse({"id": number}, 202)


def _target(named: str | None, routing: Routing) -> str:
    """The target of that name or alias, or the default one."""
    if named is None:
        return routing.default_target
    found = routing.target_named(named)
    if found is None and named.strip().casefold() != NOBODY:
        raise MalformedChangeError(f"there is no target {named[:80]!r}")
    return found or NOBODY


def _refuse(status: int, why: str, headers: dict[str, str] | None = None) -> JSONResponse:
    _log.warning("a change was not accepted", status=status, why=why)
    return error(status, why, headers)
