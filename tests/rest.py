"""A small PagerDuty REST API that a test sets, and a service that asks it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from alertrouter import reconciler, service
from alertrouter.pagerduty.rest import RestClient
from processes import notification
from serving import Running, running, serve

TOKEN = "a-rest-token"
_LONG = 15.0


class Rest:
    """The REST API: incidents by dedup key, and how it misbehaves."""

    def __init__(self) -> None:
        self.incidents: dict[str, dict[str, Any]] = {}
        self.mode = ""
        self.asked = 0
        self.before_answer: Callable[[], None] | None = None
        self.app = Starlette(
            routes=[
                Route("/incidents", self.list),
                Route("/incidents/{id}", self.show),
                Route("/incidents/{id}/alerts", self.alerts),
            ]
        )

    def opens(self, key: str, pagerduty_id: str = "PABC", status: str = "triggered", by: str = "Bia") -> None:
        """PagerDuty holds this key in an incident."""
        self.incidents[key] = {
            "id": pagerduty_id,
            "status": status,
            "last_status_change_by": {"summary": by},
            "incident_key": None,
        }

    def merges(self, source: str, into: str) -> None:
        """An incident is merged into another one: its alerts live on there."""
        held = {key: one for key, one in self.incidents.items() if one["id"] == source}
        target = next(one for one in self.incidents.values() if one["id"] == into)
        reason = {"type": "merge_resolve_reason", "incident": {"id": into}}
        self.incidents |= dict.fromkeys(held, target)
        self.incidents[f"nothing of {source}"] = next(iter(held.values())) | {"status": "resolved", "resolve_reason": reason}

    async def _trouble(self, request: Request) -> Response | None:
        self.asked += 1
        assert request.headers["authorization"] == f"Token token={TOKEN}"
        if self.before_answer:
            self.before_answer()
            self.before_answer = None
        if self.mode == "hang":
            await asyncio.sleep(10)
        troubles = {
            "500": JSONResponse({}, 500),
            "html": HTMLResponse("<h1>It works</h1>"),
            "empty": Response(),
            "odd": JSONResponse([]),
        }
        return troubles.get(self.mode)

    async def list(self, request: Request) -> Response:
        """`GET /incidents?incident_key=`."""
        trouble, found = await self._trouble(request), self.incidents.get(request.query_params["incident_key"])
        return trouble or JSONResponse({"incidents": [found] if found else []})

    async def show(self, request: Request) -> Response:
        """`GET /incidents/{id}`."""
        found = next(one for one in self.incidents.values() if one["id"] == request.path_params["id"])
        return await self._trouble(request) or JSONResponse({"incident": found})

    async def alerts(self, request: Request) -> Response:
        """`GET /incidents/{id}/alerts`, one to a page."""
        keys = [key for key, one in self.incidents.items() if one["id"] == request.path_params["id"]]
        offset = int(request.query_params["offset"]) // 100
        shown = [{"id": f"A{key}", "alert_key": key} for key in keys[offset : offset + 1]]
        return await self._trouble(request) or JSONResponse({"alerts": shown, "more": offset + 1 < len(keys)})


@asynccontextmanager
async def asking(url: str, folder: Path, *, waits: bool = True, **env: str) -> AsyncIterator[tuple[Running, Rest]]:
    """A service that waits for answers as long as a loaded machine takes, unless how long it `waits` is what is tested."""
    rest = Rest()
    async with serve(rest.app) as address:
        settings = {"ALERTROUTER_PAGERDUTY_API_URL": address, "ALERTROUTER_PAGERDUTY_API_TOKEN": TOKEN, **env}
        with pytest.MonkeyPatch.context() as patch:
            if waits:
                patch.setattr(reconciler, "BEFORE_STEP_SECONDS", _LONG)
                patch.setattr(reconciler, "LOOK_UP_SECONDS", _LONG)
                patch.setattr(service, "RestClient", partial(RestClient, deadline=_LONG))
            async with running(url, folder, settings) as router:
                yield router, rest


async def opened(router: Running, name: str = "NoRunbook", **given: Any) -> str:
    [incident] = (await router.post(notification(name, **given))).json()["incidents"]
    await router.settled()
    return str(incident)


async def incident(router: Running, incident_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await router.http.get(f"/api/v1/incidents/{incident_id}")).json()
    return found
