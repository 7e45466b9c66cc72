"""The route table."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from alertrouter.service import Service
from alertrouter.web import ack, api, changes, deliveries, forms, health, home, hooks, incident, live, reading, report
from alertrouter.web.errors import on_failure, on_refusal
from alertrouter.web.front import Front
from alertrouter.web.headers import SecurityHeaders
from alertrouter.web.openapi import openapi
from alertrouter.web.origin import SameOrigin
from alertrouter.web.sign_in.doors import door_of

_STATIC = Path(__file__).parent / "static"


def create_app(service: Service) -> Starlette:
    """The application of a service, which starts and stops with it."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            await service.start()
            yield
        finally:
            await service.stop()

    door = door_of(service.settings)
    in_door = door.middleware if door else ()
    app = Starlette(
        routes=[
            *_both("/webhooks/alertmanager", hooks.alertmanager, "POST"),
            *_both("/webhooks/alertmanager/{source}", hooks.alertmanager, "POST"),
            *_both("/webhooks/pagerduty", hooks.pagerduty, "POST"),
            *_both("/webhooks/change", changes.change, "POST"),
            Route("/api/v1/incidents", api.list_incidents),
            Route("/api/v1/incidents/{id}", api.show_incident),
            *(Route(f"/api/v1/incidents/{{id}}/{action}", api.acting(action), methods=["POST"]) for action in api.ACTIONS),
            Route("/api/v1/deliveries", api.list_deliveries),
            Route("/api/v1/runbooks", api.list_runbooks),
            *deliveries.routes,
            Route("/", home.home),
            Route("/incidents/{id}", incident.incident),
            *(Route(f"/incidents/{{id}}/{action}", forms.acting(action), methods=["POST"]) for action in api.ACTIONS),
            Route("/runbooks", reading.runbooks),
            Route("/runbooks/coverage", reading.coverage),
            Route("/runbooks/for/{alertname:path}", reading.runbook_for),
            Route("/runbooks/{path:path}", reading.runbook),
            *live.routes,
            *report.routes,
            *ack.routes,
            *(door.routes if door else ()),
            Route("/healthz", health.healthz),
            Route("/readyz", health.readyz),
            Route("/metrics", health.metrics),
            Route("/openapi.json", openapi),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[Middleware(Front), Middleware(GZipMiddleware), Middleware(SecurityHeaders), Middleware(SameOrigin), *in_door],
        exception_handlers={HTTPException: on_refusal, Exception: on_failure},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.service = service
    app.state.door = door
    return app


def _both(path: str, endpoint: Callable[[Request], Awaitable[Response]], method: str) -> list[Route]:
    """With and without a trailing slash: Alertmanager takes a redirect for a delivery."""
    return [Route(path, endpoint, methods=[method]), Route(f"{path}/", endpoint, methods=[method])]
