"""The demo: the whole service with a PagerDuty sandbox, and a story of incidents told to it over HTTP."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import typer
from starlette.applications import Starlette
from starlette.routing import Mount

from alertrouter import logs
from alertrouter.alertmanager import fingerprint_of
from alertrouter.bundled import bundled
from alertrouter.clock import Clock, fast_clock
from alertrouter.routing import Routing, Target
from alertrouter.sandbox import Received, create_sandbox
from alertrouter.server import run, server
from alertrouter.service import Service
from alertrouter.settings import load_settings
from alertrouter.web.app import create_app

HOST = "127.0.0.1"
_NAMES = {"oncall": (), "engineering": ("engenharia",), "dba": ("DBA",)}


def run_demo(speed: float, port: int) -> None:
    """Serve until interrupted; the story starts by itself. Nothing is left behind."""
    logs.configure("console", level="ERROR")
    clock = fast_clock(speed)
    with tempfile.TemporaryDirectory(prefix="alertrouter-demo-") as folder:
        url = f"http://{HOST}:{port}"
        service, sandbox = _parts(folder, url, clock)
        typer.echo(f"on-call page      {url}/")
        typer.echo(f"runbooks          {url}/runbooks")
        typer.echo(f"PagerDuty sandbox {url}/sandbox/")
        typer.echo(f"time runs {speed:g} times faster; Ctrl-C ends it\n")
        run(server(_app(service, sandbox, Story(url, clock)), HOST, port))


def _parts(folder: str, url: str, clock: Clock) -> tuple[Service, Starlette]:
    keys = {name: secrets.token_hex(16) for name in _NAMES}
    targets = [Target(name, keys[name], aliases=aliases) for name, aliases in _NAMES.items()]
    routing = Routing(targets, (), "oncall")
    settings = load_settings(
        {
            "ALERTROUTER_DATABASE_URL": f"sqlite:///{Path(folder, 'demo.db')}",
            "ALERTROUTER_RUNBOOKS_DIR": str(bundled("runbooks")),
            "ALERTROUTER_PAGERDUTY_EVENTS_URL": f"{url}/sandbox",
            "ALERTROUTER_PUBLIC_URL": url,
        }
    )
    names = {key: name for name, key in keys.items()}
    service = Service(settings, routing, clock)
    service.prepare()
    return service, create_sandbox(clock.now, _tell, names)


def _tell(received: Received) -> None:
    event = received.event or {}
    summary = event.get("payload", {}).get("summary", "")
    typer.echo(f"    PagerDuty <- {event.get('event_action'):<11} {received.routing_key:<12} {summary or event.get('dedup_key')}")


def _app(service: Service, sandbox: Starlette, story: "Story") -> Starlette:
    inner = create_app(service)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with inner.router.lifespan_context(inner):
            telling = asyncio.create_task(story.tell())
            yield
            telling.cancel()

    return Starlette(routes=[Mount("/sandbox", sandbox), Mount("/", inner)], lifespan=lifespan)


@dataclass(frozen=True)
class Problem:
    """An alert of the story."""

    name: str
    severity: str
    summary: str
    labels: tuple[tuple[str, str], ...] = ()


ERRORS = Problem("HighErrorRate", "critical", "Taxa de erro acima de 1%", (("error_type", "llm"), ("namespace", "agents")))
DATABASE = Problem("DatabaseDown", "critical", "Nenhuma conexão ativa com o banco", (("instance", "pg-0:5432"),))
LATENCY = Problem("HighLatency", "warning", "Latência p95 acima de 5 s", (("namespace", "agents"),))
COST = Problem("HighLLMCost", "warning", "Custo com LLM acima de 10 USD por hora")


class Story:
    """What happens, at which minute of the story."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._start = clock.now()
        self._http = httpx.AsyncClient(base_url=url, timeout=10)

    async def tell(self) -> None:
        """Tell it once, from the moment that the service answers."""
        while not await self._is_up():
            await asyncio.sleep(0.05)
        self._start = self._clock.now()
        await self._at(0, "HighErrorRate fires: the on-call is paged, with the runbook in the page")
        [errors] = await self._notify(ERRORS)
        await self._at(0.5, "the other Alertmanager peer sends the same: nobody is paged again")
        await self._notify(ERRORS)
        await self._at(2, "DatabaseDown fires: its runbook says «Imediata para DBA», so the DBA is paged at once, too")
        [database] = await self._notify(DATABASE)
        await self._at(4, "an HA pair disagrees about HighLatency: firing, resolved, and a stale firing from the slower peer")
        await self._notify(LATENCY)
        await self._at(4.5, "")
        await self._notify(LATENCY, firing=False)
        await self._at(4.8, "... within the hold: the resolve is not sent")
        await self._notify(LATENCY)
        await self._at(6, "HighLLMCost fires, and Ana takes it: «Se ninguém confirmar» stops its escalation")
        [cost] = await self._notify(COST)
        await self._at(7, "")
        await self._act(cost, "acknowledge", "Ana")
        await self._at(9, "HighLatency really resolves: PagerDuty is told a minute later, when the hold is over")
        await self._notify(LATENCY, firing=False)
        await self._at(12, "Bia resolves DatabaseDown on its page")
        await self._act(database, "resolve", "Bia")
        await self._at(14.5, "HighErrorRate is not resolved: at minute 15 engineering is paged by the runbook's own rule")
        await self._at(17, "HighErrorRate resolves: both pages are closed after the hold")
        await self._notify(ERRORS, firing=False)
        await self._at(19, f"the story is over; look around: {self._url}/incidents/{errors}")

    async def _is_up(self) -> bool:
        try:
            return (await self._http.get("/readyz")).is_success
        except httpx.HTTPError:
            return False

    async def _at(self, minute: float, line: str) -> None:
        """Wait for a minute of the story, and say what happens."""
        left = self._start + timedelta(minutes=minute) - self._clock.now()
        await asyncio.sleep(self._clock.real(left))
        if line:
            typer.echo(f"{minute:5.1f} min  {line}")

    async def _notify(self, problem: Problem, firing: bool = True) -> Sequence[str]:
        answer = await self._http.post("/webhooks/alertmanager", json=self._body(problem, firing))
        answer.raise_for_status()
        ids: list[str] = answer.json()["incidents"]
        return ids

    async def _act(self, incident: str, action: str, by: str) -> None:
        answer = await self._http.post(f"/api/v1/incidents/{incident}/{action}", json={"by": by})
        answer.raise_for_status()

    def _body(self, problem: Problem, firing: bool) -> dict[str, Any]:
        labels = {"alertname": problem.name, "severity": problem.severity, "service": "agent-service", **dict(problem.labels)}
        status = "firing" if firing else "resolved"
        return {
            "version": "4",
            "groupKey": f'{{}}:{{alertname="{problem.name}"}}',
            "receiver": "alertrouter",
            "status": status,
            "externalURL": "http://127.0.0.1:9093",
            "truncatedAlerts": 0,
            "alerts": [
                {
                    "status": status,
                    "labels": labels,
                    "annotations": {"summary": problem.summary},
                    "startsAt": self._start.isoformat(),
                    "endsAt": "0001-01-01T00:00:00Z" if firing else self._clock.now().isoformat(),
                    "generatorURL": "http://127.0.0.1:9090/graph",
                    "fingerprint": fingerprint_of(labels),
                }
            ],
        }
