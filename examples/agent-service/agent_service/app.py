"""The agent over HTTP: `/api/chat`, `/switches`, `/metrics`, `/healthz`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_service.agent import Agent, Message
from agent_service.load import talk
from agent_service.metrics import Metrics
from agent_service.parts import Crm, Model, PartError, Store
from agent_service.switches import SwitchError, Switches

_STATUS = {"validation": 422, "api": 502, "llm": 502, "database": 503}


def create_app(database: Path, messages_per_second: float = 0, seed: int | None = None) -> Starlette:
    """The service; it talks to itself at that rate. `seed` makes its chances repeatable."""
    random = Random(seed)
    metrics, switches = Metrics(), Switches()
    store = Store(database, switches)
    agent = Agent(metrics, switches, Model(switches, random), Crm(switches), store)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        store.follow()
        tasks = [asyncio.create_task(agent.run())]
        tasks += [asyncio.create_task(talk(agent, messages_per_second, random))] if messages_per_second else []
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        store.close()

    async def chat(request: Request) -> Response:
        body = await _object(request)
        session, text = body.get("session_id"), body.get("message")
        if not isinstance(session, str) or not isinstance(text, str):
            raise HTTPException(400, 'want {"session_id": "…", "message": "…"}')
        try:
            return JSONResponse({"reply": await agent.ask(Message(session, text))})
        except PartError as problem:
            raise HTTPException(_STATUS[problem.error_type], str(problem)) from problem
        except asyncio.QueueFull:
            raise HTTPException(503, "too many messages wait already") from None

    async def turn(request: Request) -> Response:
        try:
            switches.turn(await _object(request))
        except SwitchError as problem:
            raise HTTPException(400, str(problem)) from problem
        return JSONResponse(asdict(switches))

    return Starlette(
        routes=[
            Route("/api/chat", chat, methods=["POST"]),
            Route("/switches", lambda _: JSONResponse(asdict(switches))),
            Route("/switches", turn, methods=["POST"]),
            Route("/metrics", lambda _: Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)),
            Route("/healthz", lambda _: JSONResponse({"status": "ok"})),
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: _refuse},
    )


async def _object(request: Request) -> dict[str, object]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise HTTPException(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "the body is not a JSON object")
    return body


async def _refuse(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    return JSONResponse({"error": problem.detail}, problem.status_code)
