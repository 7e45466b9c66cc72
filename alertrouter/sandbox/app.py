"""The sandbox over HTTP."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import msgspec
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates
from starlette.types import Receive, Scope, Send

from alertrouter.clock import utc_now
from alertrouter.moments import rfc3339
from alertrouter.sandbox import both_ways
from alertrouter.sandbox.schema import Kind
from alertrouter.sandbox.state import Alert, Fault, Handled, Received, Sandbox

_MOST_SHOWN = 200
_templates = Jinja2Templates(Path(__file__).parent.parent / "web" / "templates")


def create_sandbox(
    now: Callable[[], datetime] = utc_now,
    on_event: Callable[[Received], None] | None = None,
    names: Mapping[str, str] | None = None,
) -> Starlette:
    """PagerDuty's Events API v2, strict, with its state to look at and faults to order.

    `on_event` is told of every request to the two event endpoints, refused ones included, before it is answered. `names`
    maps routing keys to the names that are shown instead. The state is in `app.state.sandbox`.
    """
    app = Starlette(
        routes=[
            Route("/v2/enqueue", _enqueue("event", on_event), methods=["POST"]),
            Route("/v2/change/enqueue", _enqueue("change", on_event), methods=["POST"]),
            Route("/alerts", _alerts),
            Route("/events", _events),
            Route("/faults", _order_fault, methods=["POST"]),
            Route("/faults", _clear_faults, methods=["DELETE"]),
            Route("/reset", _reset, methods=["POST"]),
            *both_ways.routes,
            Route("/healthz", _healthz),
            Route("/", _page),
        ]
    )
    app.state.sandbox = Sandbox(now, names or {})
    return app


def _sandbox(request: Request) -> Sandbox:
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox


def _enqueue(kind: Kind, on_event: Callable[[Received], None] | None) -> Callable[[Request], Any]:
    async def enqueue(request: Request) -> Response:
        handled = _sandbox(request).receive(kind, await request.body())
        if on_event:
            on_event(handled.received)
        if handled.fault and handled.fault.mode in {"hang", "slow"}:
            await _wait(request.receive, handled.fault.seconds)
        return _answer(handled)

    return enqueue


async def _wait(receive: Receive, seconds: float) -> None:
    """Wait so long, or until the client leaves."""
    with anyio.move_on_after(seconds):
        while (await receive())["type"] != "http.disconnect":
            pass


def _answer(handled: Handled) -> Response:
    status, fault = handled.received.status, handled.fault
    if status is None:
        return _NoAnswer()
    if status == 200:
        return Response("<!doctype html><title>Welcome</title><h1>It works</h1>", media_type="text/html")
    if status == 202:
        if fault and fault.mode == "empty":
            return Response(status_code=202)
        key = {"dedup_key": handled.dedup_key} if handled.dedup_key else {}
        return JSONResponse({"status": "success", "message": "Event processed", **key}, 202)
    return JSONResponse(_refusal(status, handled.received.errors), status)


def _refusal(status: int, errors: tuple[str, ...]) -> dict[str, Any]:
    if status in {400, 413}:
        listed = list(errors) or ["this refusal was ordered by a fault"]
        return {"status": "invalid event", "message": "Event object is invalid", "errors": listed}
    kind = {401: "unauthorized", 429: "throttle exceeded"}.get(status, "error")
    return {"status": kind, "message": "this failure was ordered by a fault"}


class _NoAnswer(Response):
    """Closes the connection before an answer is complete.

    ASGI knows no way to close without a status line; one that promises a body and breaks off is a lost answer to every client.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"1")]})


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value, enc_hook=list), media_type="application/json")


async def _alerts(request: Request) -> Response:
    return _json({"alerts": list(_sandbox(request).alerts)})


async def _events(request: Request) -> Response:
    """Those after number `since`; `next` is the `since` to go on with."""
    try:
        since = int(request.query_params.get("since", "0"))
    except ValueError:
        return JSONResponse({"error": "since is not a number"}, 400)
    events = [one for one in _sandbox(request).received if one.n > since]
    return _json({"events": events, "next": events[-1].n if events else since})


async def _order_fault(request: Request) -> Response:
    try:
        fault = Fault.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return JSONResponse({"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")}, 400)
    sandbox = _sandbox(request)
    sandbox.order(fault)
    return _faults(sandbox)


async def _clear_faults(request: Request) -> Response:
    sandbox = _sandbox(request)
    sandbox.faults.clear()
    return _faults(sandbox)


def _faults(sandbox: Sandbox) -> Response:
    named = ((one, sandbox.name(one.routing_key) or None) for one in sandbox.faults)
    return JSONResponse({"faults": [{**one.model_dump(), "routing_key": name} for one, name in named]})


async def _reset(request: Request) -> Response:
    _sandbox(request).reset()
    return JSONResponse({})


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _page(request: Request) -> Response:
    sandbox = _sandbox(request)
    troubled = [one for one in reversed(sandbox.received) if one.errors or one.fault]
    context = {
        "alerts": list(reversed(sandbox.alerts))[:_MOST_SHOWN],
        "count": len(sandbox.alerts),
        "incidents": list(reversed(sandbox.incidents.all.values()))[:_MOST_SHOWN],
        "troubled": troubled[:_MOST_SHOWN],
        "details": _details,
        "at": rfc3339,
    }
    return _templates.TemplateResponse(request, "sandbox.html", context)


def _details(alert: Alert) -> list[tuple[str, str]]:
    """The custom details as PagerDuty shows them: A-Z, plain text, nested values as JSON."""
    details = alert.event["payload"].get("custom_details", {})
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in sorted(details.items())
    ]
