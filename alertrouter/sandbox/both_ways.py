"""The sandbox's other side over HTTP: what people do in it, its webhooks, and its REST API under `/rest`."""

import math
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from alertrouter.sandbox.feed import FEED_FAULTS, Webhook
from alertrouter.sandbox.http import NoAnswer, given, sandbox_of, wait
from alertrouter.sandbox.incidents import ACTIONS, NotNowError

_REST_FAULTS = ("500", "429", "hang", "slow", "drop", "html", "empty")
_SLOW_SECONDS = 2.0


async def _act(request: Request) -> Response:
    """A person's action: `{"by": name, "into": id, "to": name, "note": text}`; a form leads back to the page."""
    sandbox, fields = sandbox_of(request), await given(request)
    incident, action = request.path_params["id"], request.path_params["action"]
    if action not in ACTIONS:
        return JSONResponse({"error": f"an action is one of {', '.join(ACTIONS)}"}, 404)
    try:
        sandbox.act(incident, action, str(fields.get("by") or "Bia"), fields)
    except KeyError as missing:
        return JSONResponse({"error": f"there is no incident {missing.args[0]}"}, 404)
    except NotNowError as problem:
        return JSONResponse({"error": str(problem)}, 409)
    if "html" in request.headers.get("accept", ""):
        return RedirectResponse(f"{request.scope.get('root_path', '')}/", 303)
    return JSONResponse(sandbox.incidents.all[incident].as_json(sandbox.url))


async def _incidents(request: Request) -> Response:
    sandbox = sandbox_of(request)
    return JSONResponse({"incidents": [one.as_json(sandbox.url) | {"keys": one.keys} for one in sandbox.incidents.all.values()]})


async def _subscribe(request: Request) -> Response:
    fields = await given(request)
    url, secrets = fields.get("url"), fields.get("secrets")
    if not (isinstance(url, str) and re.match("https?://", url) and isinstance(secrets, list) and secrets):
        return JSONResponse({"error": 'a subscription is {"url": "http://...", "secrets": ["..."]}'}, 400)
    sandbox_of(request).feed.subscribe(url, [str(secret) for secret in secrets])
    return JSONResponse({"url": url})


async def _webhooks(request: Request) -> Response:
    feed = sandbox_of(request).feed
    sent = [{name: getattr(one, name) for name in ("id", "incident", "kind", "state", "attempts", "status")} for one in feed.sent]
    return JSONResponse({"enabled": feed.is_enabled, "webhooks": sent})


async def _replay(request: Request) -> Response:
    """Send a webhook again, as PagerDuty does that did not see the answer: `{"id": ...}`."""
    feed, fields = sandbox_of(request).feed, await given(request)
    found = next((one for one in feed.sent if one.id == fields.get("id")), None)
    if found is None:
        return JSONResponse({"error": "there is no such webhook"}, 404)
    feed.send(Webhook(found.id, found.incident, found.kind, found.body))
    return JSONResponse({"id": found.id})


async def _feed_fault(request: Request) -> Response:
    """`{"mode": "lose" | "hold" | ""}` until it is taken back; what was held is sent then, newest first if `"reversed": true`."""
    feed, fields = sandbox_of(request).feed, await given(request)
    mode = fields.get("mode", "")
    if mode not in FEED_FAULTS:
        return JSONResponse({"error": f"a mode is one of {', '.join(filter(None, FEED_FAULTS))}, or empty"}, 400)
    feed.order(mode, bool(fields.get("reversed")))
    return JSONResponse({"mode": mode})


async def _ping(request: Request) -> Response:
    sandbox_of(request).feed.push(
        "pagey.ping", "", {"event_type": "pagey.ping", "resource_type": "pagey", "agent": None, "data": {"message": "Hello"}}
    )
    return JSONResponse({})


async def _rest_fault(request: Request) -> Response:
    """`{"mode": "500" | "429" | "hang" | "slow" | "drop" | "html" | "empty" | ""}` until it is taken back."""
    mode = (await given(request)).get("mode", "")
    if mode not in {"", *_REST_FAULTS}:
        return JSONResponse({"error": f"a mode is one of {', '.join(_REST_FAULTS)}, or empty"}, 400)
    sandbox_of(request).rest_fault = mode
    return JSONResponse({"mode": mode})


async def _refused(request: Request) -> Response | None:
    """What the REST API answers instead, where it has to."""
    sandbox = sandbox_of(request)
    if not re.fullmatch("Token token=.+", request.headers.get("authorization", "")):
        return JSONResponse({"error": {"message": "Unauthorized", "code": 2006}}, 401)
    if sandbox.rest_fault in {"hang", "slow"}:
        await wait(request.receive, math.inf if sandbox.rest_fault == "hang" else _SLOW_SECONDS)
    if sandbox.rest_fault in {"hang", "drop"}:
        return NoAnswer()
    if sandbox.rest_fault in {"html", "empty"}:
        return HTMLResponse("<h1>It works</h1>" if sandbox.rest_fault == "html" else "")
    return JSONResponse({"error": {"message": "a fault"}}, int(sandbox.rest_fault)) if sandbox.rest_fault.isdecimal() else None


async def _rest_list(request: Request) -> Response:
    if refused := await _refused(request):
        return refused
    sandbox, key = sandbox_of(request), request.query_params.get("incident_key")
    found = sandbox.incidents.with_key(key) if key else list(reversed(sandbox.incidents.all.values()))
    return _paged(request, "incidents", [one.as_json(sandbox.url) for one in found])


async def _rest_show(request: Request) -> Response:
    if refused := await _refused(request):
        return refused
    sandbox = sandbox_of(request)
    one = sandbox.incidents.all.get(request.path_params["id"])
    return JSONResponse({"incident": one.as_json(sandbox.url)}) if one else JSONResponse({"error": {"message": "Not Found"}}, 404)


async def _rest_alerts(request: Request) -> Response:
    if refused := await _refused(request):
        return refused
    one = sandbox_of(request).incidents.all.get(request.path_params["id"])
    if one is None:
        return JSONResponse({"error": {"message": "Not Found"}}, 404)
    alerts = [
        {"id": f"A{number}", "type": "alert", "alert_key": key, "status": "triggered" if key in one.open_keys else "resolved"}
        for number, key in enumerate(one.keys)
    ]
    return _paged(request, "alerts", alerts)


async def _rest_note(request: Request) -> Response:
    if refused := await _refused(request):
        return refused
    note = (await given(request)).get("note")
    content = note.get("content") if isinstance(note, dict) else None
    if not content or "from" not in request.headers:
        return JSONResponse({"error": {"message": "a note wants content and a From header"}}, 400)
    try:
        sandbox_of(request).act(request.path_params["id"], "annotate", request.headers["from"], {"note": content})
    except (KeyError, NotNowError):
        return JSONResponse({"error": {"message": "Not Found"}}, 404)
    return JSONResponse({"note": {"content": content}}, 201)


def _paged(request: Request, name: str, items: list[dict[str, Any]]) -> Response:
    try:
        limit, offset = (int(request.query_params.get(one, default)) for one, default in (("limit", "25"), ("offset", "0")))
    except ValueError:
        return JSONResponse({"error": {"message": "limit and offset are numbers"}}, 400)
    page = items[offset : offset + limit]
    return JSONResponse({name: page, "limit": limit, "offset": offset, "more": offset + limit < len(items)})


routes = [
    Route("/incidents", _incidents),
    Route("/incidents/{id}/{action}", _act, methods=["POST"]),
    Route("/subscription", _subscribe, methods=["POST"]),
    Route("/webhooks", _webhooks),
    Route("/webhooks/fault", _feed_fault, methods=["POST"]),
    Route("/webhooks/replay", _replay, methods=["POST"]),
    Route("/ping", _ping, methods=["POST"]),
    Route("/rest/fault", _rest_fault, methods=["POST"]),
    Route("/rest/incidents", _rest_list),
    Route("/rest/incidents/{id}", _rest_show),
    Route("/rest/incidents/{id}/alerts", _rest_alerts),
    Route("/rest/incidents/{id}/notes", _rest_note, methods=["POST"]),
]
