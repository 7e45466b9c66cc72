"""Webhooks: what Alertmanager posts, and what PagerDuty does."""

import asyncio
import hashlib
import re
import time

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alertrouter import telemetry, traces
from alertrouter.alertmanager import MalformedError, Notification, parse
from alertrouter.feedback import hear
from alertrouter.logs import OncePerSecond
from alertrouter.pagerduty import webhooks
from alertrouter.posts import Post, take
from alertrouter.senders import Sender
from alertrouter.service import Service
from alertrouter.settings import in_clear
from alertrouter.store import unreadable
from alertrouter.store.database import UnavailableError
from alertrouter.store.writer import OverloadedError, Writer
from alertrouter.web.http import error, is_authorised, read_body, sender_of, service_of

_SOURCE = re.compile(r"[\w.-]{1,64}", re.ASCII)
_LARGE = 256 * 1024
_MOST_EVENT = 1024 * 1024
_EVENT_SECONDS = 4.0
"""PagerDuty waits for five."""
_log = structlog.get_logger()
_overloaded = OncePerSecond()


async def alertmanager(request: Request) -> Response:
    """Take a notification: 200 with the incident ids after the commit that holds everything it means.

    400 for what cannot be read, 503 for what cannot be stored now: Alertmanager tries that again, and nothing else. Never 429
    and never a redirect, which it would take for a lost and for a delivered notification.
    """
    service = service_of(request)
    source = request.path_params.get("source", "default")
    if not is_authorised(request, in_clear(service.settings.webhook_tokens)):
        return _refuse(401, source, "a webhook token is wanted (ALERTROUTER_WEBHOOK_TOKENS)", {"WWW-Authenticate": "Bearer"})
    if not _SOURCE.fullmatch(source):
        return _refuse(404, source[:64], "a source is 1 to 64 letters, digits, dots, dashes or underscores")
    try:
        body = await read_body(request, service.settings.max_body, "ALERTROUTER_MAX_BODY")
    except HTTPException as problem:
        return _refuse(problem.status_code, source, problem.detail)
    with traces.span("POST /webhooks/alertmanager", "server", request.headers.get("traceparent", ""), source=source) as trace:
        answer = await _take(service, source, body, trace, sender_of(request))
        traces.note(status=answer.status_code)
        return answer


async def _take(service: Service, source: str, body: bytes, trace: str, sender: Sender | None) -> Response:
    try:
        told = service.database.repeats.find(source, body, service.playbook.routing) or await _parse(service.writer, body, source)
        if isinstance(told, Notification) and told.unreadable and not told.alerts:
            await service.writer.submit(unreadable.keep, told, size=len(body))
            return _refuse(400, source, f"no alert can be read: {told.unreadable[0].error}")
        with traces.span("commit", alerts=len(told.alerts) if isinstance(told, Notification) else told.alerts):
            post = Post(body, source, service.playbook, trace, told)
            ids = await service.writer.submit(take, post, size=len(body), sender=sender)
    except MalformedError as problem:
        return _refuse(400, source, str(problem))
    except (UnavailableError, OverloadedError) as problem:
        return _refuse(503, source, f"not stored, try again: {problem}")
    return Response(msgspec.json.encode({"incidents": ids}), media_type="application/json")


async def pagerduty(request: Request) -> Response:
    """Take what PagerDuty tells: 202 for every verified event after the commit.

    401 for what is not signed with one of the secrets, 503 without any, or when it cannot be stored now: PagerDuty tries that
    again. A verified event that means nothing is a 202, too: three refusals would end the feed for a day.
    """
    service = service_of(request)
    secrets = in_clear(service.settings.pagerduty_webhook_secrets)
    if not secrets:
        return _refuse_event(503, "no secret is set to verify webhooks with (ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS)")
    started, body = time.monotonic(), await read_body(request, _MOST_EVENT)
    if not webhooks.is_signed(body, ",".join(request.headers.getlist("x-pagerduty-signature")), secrets):
        return _refuse_event(401, "the signature is not that of any secret (ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS)")
    webhook_id = request.headers.get("x-webhook-id", "")[:200] or hashlib.sha256(body).hexdigest()
    try:
        heard = await service.reconciler.correlate(webhook_id, webhooks.read(body))
        left = _EVENT_SECONDS - (time.monotonic() - started)
        is_ours = await service.writer.submit(hear, heard, seconds=max(left, 1.0))
    except webhooks.UnreadableWebhookError as problem:
        telemetry.WEBHOOKS.labels("unreadable").inc()
        _log.warning("a verified webhook cannot be read", why=str(problem))
        return Response(status_code=202)
    except (UnavailableError, OverloadedError) as problem:
        return _refuse_event(503, f"not stored, try again: {problem}")
    telemetry.WEBHOOKS.labels("ours" if is_ours else "other").inc()
    return Response(status_code=202)


def _refuse_event(status: int, why: str) -> JSONResponse:
    telemetry.WEBHOOKS.labels(str(status)).inc()
    _log.warning("a webhook of PagerDuty was not accepted", status=status, why=why)
    return error(status, why)


async def _parse(writer: Writer, body: bytes, source: str) -> Notification:
    """Read a body that there is room for; a large one is not to hold up the event loop."""
    if len(body) < _LARGE:
        writer.check_room(len(body))
        return parse(body, source)
    with writer.room_for(len(body)):
        return await asyncio.to_thread(parse, body, source)


def _refuse(status: int, source: str, why: str, headers: dict[str, str] | None = None) -> JSONResponse:
    telemetry.count_refusal(status)
    times = 1 if status != 503 else _overloaded.lines(time.monotonic())
    if times:
        _log.warning("a notification was not accepted", status=status, source=source, why=why, times=times)
    return error(status, why, headers)
