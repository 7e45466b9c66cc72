"""A running service inside the test's own event loop: real database, real HTTP to a real sandbox, a clock that is set by hand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from alertrouter.clock import Clock
from alertrouter.connections import Guarded
from alertrouter.moments import rfc3339
from alertrouter.routing import Routing, Target
from alertrouter.sandbox import create_sandbox
from alertrouter.service import Service
from alertrouter.settings import load_settings
from alertrouter.store.outbox import LEASE_SECONDS
from alertrouter.web.app import create_app
from processes import free_port

START = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
KEYS = {"oncall": "0" * 32, "engineering": "1" * 32, "dba": "2" * 32}
TARGETS = [
    Target("oncall", KEYS["oncall"]),
    Target("engineering", KEYS["engineering"], ("engenharia",)),
    Target("dba", KEYS["dba"]),
]
RUNBOOK = """# Serviço

### HighErrorRate
1. `kubectl logs -n {{ labels.namespace }} deploy/api`

**Escalação**: Se não resolver em 15min, escalar para engenharia

### DatabaseDown
**Escalação**: Imediata para DBA
"""


class HandClock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.now = START

    def pass_(self, **duration: float) -> None:
        """Let time pass."""
        self.now += timedelta(**duration)


class Running:
    """A service that runs, and what a test does with it."""

    def __init__(self, service: Service, http: httpx.AsyncClient, pagerduty: httpx.AsyncClient, clock: HandClock) -> None:
        self.service = service
        self.http = http
        self.pagerduty = pagerduty
        self.clock = clock

    async def post(self, body: Any, path: str = "/webhooks/alertmanager") -> httpx.Response:
        """Post a notification: a body as bytes, or as what JSON is made of."""
        given = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.http.post(path, **given)

    async def alerts(self) -> list[dict[str, Any]]:
        """What PagerDuty has."""
        found: list[dict[str, Any]] = (await self.pagerduty.get("/alerts")).json()["alerts"]
        return found

    async def events(self) -> list[dict[str, Any]]:
        """What PagerDuty received, in order."""
        received = (await self.pagerduty.get("/events")).json()["events"]
        return [one["event"] for one in received]

    async def rotate(self, routing: Routing) -> None:
        """Go on with another routing, as after a restart with another routing file."""
        self.service.files.playbook = replace(self.service.playbook, routing=routing)
        worker = self.service.worker
        before = worker.last_cycle.get("deliveries")
        worker.poke()
        await until(lambda: asyncio.sleep(0, worker.last_cycle.get("deliveries") != before))  # a claim by the old one has ended

    async def settled(self) -> list[dict[str, Any]]:
        """What PagerDuty received, once nothing that is due is left to do."""
        self.service.worker.poke()
        await until(self._is_settled)
        return await self.events()

    async def settled_but_failing(self) -> None:
        """Wait until every delivery that is due has been tried and recorded, or waits with others for a key that is failing."""

        async def tried() -> bool:
            pending = (await self.http.get("/api/v1/deliveries?state=pending&limit=500")).json()["deliveries"]
            waits = self.service.worker.keys.opens_in(self.clock.now) is not None
            return (waits or all(one["error"] for one in pending)) and not self.service.worker._in_flight

        await until(tried)

    async def _is_settled(self) -> bool:
        now = rfc3339(self.clock.now)
        incidents = (await self.http.get("/api/v1/incidents?status=open&limit=500")).json()["incidents"]
        pending = (await self.http.get("/api/v1/deliveries?state=pending&limit=500")).json()["deliveries"]  # a timer may add some
        due = [one for one in incidents if (one["resolve_at"] or one["escalation"]["due_at"] or "z") <= now]
        lease = rfc3339(self.clock.now + timedelta(seconds=LEASE_SECONDS))
        in_flight = self.service.worker._in_flight or [one for one in pending if one["due_at"] == lease]
        return not in_flight and not due and not [one for one in pending if one["due_at"] <= now or not one["attempts"]]


async def until(probe: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true answer of `probe`."""
    async with asyncio.timeout(seconds):
        while not (found := await probe()):
            await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def serve(app: Starlette) -> AsyncIterator[str]:
    """The address of an application that is served on a real socket."""
    port = free_port()
    keep_alive = 60  # a connection that ends just as it is used again is a lost answer
    config = uvicorn.Config(
        app,
        port=port,
        http=Guarded,
        log_config=None,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=keep_alive,
    )
    web = uvicorn.Server(config)
    web.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    over = asyncio.Event()
    web.main_loop = over.wait  # type: ignore[method-assign,assignment]  # uvicorn's own looks ten times a second whether to end
    task = asyncio.create_task(web.serve())
    await until(lambda: asyncio.sleep(0, web.started))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        web.should_exit = True
        over.set()
        await task


@asynccontextmanager
async def running(
    database_url: str,
    folder: Path,
    env: Mapping[str, str] | None = None,
    routing: Routing | None = None,
    clock: HandClock | None = None,
) -> AsyncIterator[Running]:
    """A service with the sample above for runbooks. With the clock of one that ended, it is that service's next start."""
    clock = clock or HandClock()
    runbooks = folder / "runbooks"
    runbooks.mkdir(exist_ok=True)
    (runbooks / "servico.md").write_text(RUNBOOK)
    async with serve(create_sandbox(lambda: clock.now, names={key: name for name, key in KEYS.items()})) as url:
        settings = load_settings(
            {
                "ALERTROUTER_DATABASE_URL": database_url,
                "ALERTROUTER_RUNBOOKS_DIR": str(runbooks),
                "ALERTROUTER_PAGERDUTY_EVENTS_URL": url,
                "ALERTROUTER_PUBLIC_URL": "http://router.test",
                **(env or {}),
            }
        )
        service = Service(settings, routing or Routing(TARGETS, (), "oncall"), Clock(lambda: clock.now))
        await asyncio.to_thread(service.prepare)
        app = create_app(service)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router.test", timeout=10) as http,
            httpx.AsyncClient(base_url=url) as pagerduty,
        ):
            yield Running(service, http, pagerduty, clock)
