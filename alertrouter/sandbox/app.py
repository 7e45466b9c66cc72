"""The sandbox over HTTP."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from alertrouter.clock import utc_now
from alertrouter.moments import rfc3339
from alertrouter.sandbox import both_ways
from alertrouter.sandbox.http import NoAnswer, sandbox_of, wait
from alertrouter.sandbox.schema import Kind
from alertrouter.sandbox.state import Alert, Fault, Handled, Received, Sandbox

_MOST_SHOWN = 200
_templates = Jinja2Templates(Path(__file__).parent.parent / "web" / "templates")


def create_sandbox(
    now: Callable[[], datetime] = utc_now,
    on_event: Callable[[Received], None] | None = None,
    names: Mapping[str, str] | None = None,
    subscription: tuple[str, Sequence[str]] | None = None,
) -> Starlette:
    """PagerDuty's Events API v2, strict, with its state to look at and faults to order.

    `on_event` is told of every request to the two event endpoints, refused ones included, before it is answered. `names`
    maps routing keys to the names that are shown instead. `subscription` is where its webhooks go and the secrets that sign
    them, until another one is ordered. The state is in `app.state.sandbox`.
    """
    app = Starlette(
        routes=[
            Route("/v2/enqueue", _enqueue("event", on_event), methods=["POST"]),
            Route("/v2/change/enqueue", _enqueue("change", on_event), methods=["POST"]),
            Route("/alerts", _alerts),
            Route("/events", _events),
            Route("/changes", _changes),
            Route("/faults", _order_fault, methods=["POST"]),
            Route("/faults", _clear_faults, methods=["DELETE"]),
            Route("/reset", _reset, methods=["POST"]),
            *both_ways.routes,
            Route("/healthz", _healthz),
            Route("/", _page),
        ],
        exception_handlers={HTTPException: _refuse},
    )
    app.state.sandbox = sandbox = Sandbox(now, names or {})
    if subscription:
        sandbox.feed.subscribe(*subscription)
    return app


async def _refuse(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    return JSONResponse({"error": problem.detail}, problem.status_code, problem.headers)


def _enqueue(kind: Kind, on_event: Callable[[Received], None] | None) -> Callable[[Request], Any]:
    async def enqueue(request: Request) -> Response:
        handled = sandbox_of(request).receive(kind, await request.body())
        if on_event:
            on_event(handled.received)
        if handled.fault and handled.fault.mode in {"hang", "slow"}:
            await wait(request.receive, handled.fault.seconds)
        return _answer(handled)

    return enqueue


def _answer(handled: Handled) -> Response:
    status, fault = handled.received.status, handled.fault
    if status is None:
        return NoAnswer()
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


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value, enc_hook=list), media_type="application/json")


async def _alerts(request: Request) -> Response:
    return _json({"alerts": list(sandbox_of(request).alerts)})


async def _events(request: Request) -> Response:
    """Those after number `since`; `next` is the `since` to go on with."""
    try:
        since = int(request.query_params.get("since", "0"))
    except ValueError:
        return JSONResponse({"error": "since is not a number"}, 400)
    events = [one for one in sandbox_of(request).received if one.n > since]
    return _json({"events": events, "next": events[-1].n if events else since})


async def _changes(request: Request) -> Response:
    return _json({"changes": sandbox_of(request).changes()})


async def _order_fault(request: Request) -> Response:
    try:
        fault = Fault.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return JSONResponse({"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")}, 400)
    sandbox = sandbox_of(request)
    sandbox.order(fault)
    return _faults(sandbox)


async def _clear_faults(request: Request) -> Response:
    sandbox = sandbox_of(request)
    sandbox.faults.clear()
    return _faults(sandbox)


def _faults(sandbox: Sandbox) -> Response:
    named = ((one, sandbox.name(one.routing_key) or None) for one in sandbox.faults)
    return JSONResponse({"faults": [{**one.model_dump(), "routing_key": name} for one, name in named]})


async def _reset(request: Request) -> Response:
    sandbox_of(request).reset()
    return JSONResponse({})


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _page(request: Request) -> Response:
    sandbox = sandbox_of(request)
    troubled = [one for one in reversed(sandbox.received) if one.errors or one.fault]
    context = {
        "alerts": list(reversed(sandbox.alerts))[:_MOST_SHOWN],
        "count": len(sandbox.alerts),
        "incidents": list(reversed(sandbox.incidents.all.values()))[:_MOST_SHOWN],
        "changes": list(reversed(sandbox.changes()))[:_MOST_SHOWN],
        "open_ids": [one.id for one in sandbox.incidents.all.values() if one.status != "resolved"][-_MOST_SHOWN:],
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
