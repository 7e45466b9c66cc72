"""Health and metrics."""

import asyncio
import time
from urllib.parse import urlsplit

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from alertrouter.service import Service
from alertrouter.store import migrations
from alertrouter.store.database import is_unavailable
from alertrouter.web.http import service_of

STALE_SECONDS = 30
ANSWER_SECONDS = 4


async def healthz(_request: Request) -> Response:
    """The process is alive."""
    return PlainTextResponse("ok\n")


async def readyz(request: Request) -> Response:
    """Whether it does its work, by part: the database answers, migrations are current, the worker goes round, runbooks loaded."""
    service = service_of(request)
    parts = {
        "database": await _database(service),
        "worker": _worker(service),
        "runbooks": _runbooks(service),
        "pagerduty": _pagerduty(service),
    }
    ready = all(part["ok"] for part in parts.values())
    return JSONResponse({"ready": ready, "parts": parts}, 200 if ready else 503)


async def metrics(request: Request) -> Response:
    """Prometheus's text format, or OpenMetrics with its exemplars for who asks for that."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(await asyncio.to_thread(encode, REGISTRY), headers={"Content-Type": content_type})


async def _database(service: Service) -> dict[str, object]:
    def ask() -> dict[str, object]:
        try:
            with service.database.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            current = migrations.is_current(service.database.engine)
        except Exception as problem:
            if not is_unavailable(problem):
                raise
            return {"ok": False, "why": "the database does not answer"}
        return {"ok": current} if current else {"ok": False, "why": "migrations are not current"}

    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await asyncio.to_thread(ask)
    except TimeoutError:
        return {"ok": False, "why": "the database does not answer"}


def _worker(service: Service) -> dict[str, object]:
    now = time.monotonic()
    ages = {name: round(now - service.worker.last_cycle.get(name, float("-inf")), 1) for name in ("deliveries", "timers")}
    late = sorted(name for name, age in ages.items() if age > STALE_SECONDS)
    return {"ok": False, "why": f"no cycle of {' and '.join(late)} in {STALE_SECONDS} s"} if late else {"ok": True, "ages": ages}


def _runbooks(service: Service) -> dict[str, object]:
    shelf = service.library.shelf
    return {"ok": service.library.loaded, "sections": len(shelf.index.sections), "errors": len(shelf.troubles)}


def _pagerduty(service: Service) -> dict[str, object]:
    """Where it is, and what we could hear from it: that is set up or not, and no reason to be unready."""
    settings = service.settings
    return {
        "ok": True,
        "host": urlsplit(settings.pagerduty_events_url).hostname,
        "webhooks": bool(settings.pagerduty_webhook_secrets),
        "api": settings.pagerduty_api_token is not None,
    }
