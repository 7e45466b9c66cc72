"""Asking PagerDuty's REST API: before a step, for a webhook, now and then, and for pages that nobody confirmed."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from processes import notification
from serving import Running, running, serve

TOKEN = "a-rest-token"
SECRET = "a-webhook-secret"


class Rest:
    """The REST API: incidents by dedup key, and how it misbehaves."""

    def __init__(self) -> None:
        self.incidents: dict[str, dict[str, Any]] = {}
        self.mode = ""
        self.asked = 0
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

    async def _trouble(self, request: Request) -> Response | None:
        self.asked += 1
        assert request.headers["authorization"] == f"Token token={TOKEN}"
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
        found = self.incidents.get(request.query_params["incident_key"])
        return await self._trouble(request) or JSONResponse({"incidents": [found] if found else []})

    async def show(self, request: Request) -> Response:
        """`GET /incidents/{id}`."""
        [found] = [one for one in self.incidents.values() if one["id"] == request.path_params["id"]]
        return await self._trouble(request) or JSONResponse({"incident": found})

    async def alerts(self, request: Request) -> Response:
        """`GET /incidents/{id}/alerts`, one to a page."""
        keys = [key for key, one in self.incidents.items() if one["id"] == request.path_params["id"]]
        offset = int(request.query_params["offset"]) // 100
        shown = [{"id": f"A{key}", "alert_key": key} for key in keys[offset : offset + 1]]
        return await self._trouble(request) or JSONResponse({"alerts": shown, "more": offset + 1 < len(keys)})


@asynccontextmanager
async def asking(url: str, folder: Path, **env: str) -> AsyncIterator[tuple[Running, Rest]]:
    rest = Rest()
    async with serve(rest.app) as address:
        settings = {"ALERTROUTER_PAGERDUTY_API_URL": address, "ALERTROUTER_PAGERDUTY_API_TOKEN": TOKEN, **env}
        async with running(url, folder, settings) as router:
            yield router, rest


async def opened(router: Running, name: str = "NoRunbook", **given: Any) -> str:
    [incident] = (await router.post(notification(name, **given))).json()["incidents"]
    await router.settled()
    return str(incident)


async def incident(router: Running, incident_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await router.http.get(f"/api/v1/incidents/{incident_id}")).json()
    return found


async def test_a_step_is_not_taken_if_pagerduty_shows_that_somebody_has_it(database_url: str, tmp_path: Path) -> None:
    async with asking(database_url, tmp_path) as (router, rest):
        one = await opened(router)
        rest.opens(one, status="acknowledged")
        router.clock.pass_(minutes=15)
        events = await router.settled()
        found = await incident(router, one)
        assert (found["status"], found["acknowledged_by"]) == ("acknowledged", "Bia in PagerDuty")
        assert len(events) == 1


async def test_a_step_is_not_taken_if_pagerduty_shows_that_it_is_over(database_url: str, tmp_path: Path) -> None:
    async with asking(database_url, tmp_path) as (router, rest):
        one = await opened(router, "HighErrorRate")  # "unless resolved"
        rest.opens(one, status="resolved")
        router.clock.pass_(minutes=15)
        assert len(await router.settled()) == 1
        assert (await incident(router, one))["status"] == "resolved"


@pytest.mark.parametrize("mode", ["hang", "500", "html", "empty", "odd", "unknown"])
async def test_if_pagerduty_cannot_be_asked_the_step_is_taken(mode: str, url: str, tmp_path: Path) -> None:
    async with asking(url, tmp_path) as (router, rest):
        one = await opened(router)
        rest.mode = mode
        router.clock.pass_(minutes=15)
        assert [event["dedup_key"] for event in await router.settled()] == [one, f"{one}/e1"]
        assert rest.asked


def acknowledgement(pagerduty_id: str) -> tuple[bytes, dict[str, str]]:
    event = {
        "event_type": "incident.acknowledged",
        "agent": {"type": "user_reference", "summary": "Bia"},
        "data": {"id": pagerduty_id},
    }
    body = json.dumps({"event": event}).encode()
    return body, {"X-PagerDuty-Signature": "v1=" + hmac.new(SECRET.encode(), body, "sha256").hexdigest()}


async def test_a_webhook_that_names_no_key_is_correlated_by_the_alerts_of_its_incident(database_url: str, tmp_path: Path) -> None:
    async with asking(database_url, tmp_path, ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS=SECRET) as (router, rest):
        ids = [await opened(router, group=group, instance=group) for group in ("a", "b", "c")]
        rest.opens("somebody-elses", "PALL")
        for one in ids[:2]:
            rest.opens(one, "PALL")
        body, headers = acknowledgement("PALL")
        assert (await router.http.post("/webhooks/pagerduty", content=body, headers=headers)).status_code == 202
        statuses = [(await incident(router, one))["status"] for one in ids]
        assert statuses == ["acknowledged", "acknowledged", "triggered"]


async def test_a_webhook_is_answered_in_time_though_pagerdutys_api_hangs(url: str, tmp_path: Path) -> None:
    async with asking(url, tmp_path, ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS=SECRET) as (router, rest):
        await opened(router)
        rest.mode = "hang"
        body, headers = acknowledgement("PABC")
        async with asyncio.timeout(4.5):
            assert (await router.http.post("/webhooks/pagerduty", content=body, headers=headers)).status_code == 202


async def test_the_reconciler_heals_what_webhooks_missed(database_url: str, tmp_path: Path) -> None:
    async with asking(database_url, tmp_path) as (router, rest):
        acked, over, same = [await opened(router, group=group, instance=group) for group in ("a", "b", "c")]
        rest.opens(acked, "P1", status="acknowledged")
        rest.opens(over, "P2", status="resolved")
        rest.opens(same, "P3")
        await router.service.reconciler.reconcile()
        assert [(await incident(router, one))["status"] for one in (acked, over, same)] == [
            "acknowledged",
            "resolved",
            "triggered",
        ]
        assert len(await router.settled()) == 3  # nothing is sent back
        rest.opens(acked, "P1", status="triggered")
        await router.service.reconciler.reconcile()
        assert (await incident(router, acked))["status"] == "acknowledged"  # it may not have heard of it yet
        router.clock.pass_(minutes=3)
        await router.service.reconciler.reconcile()
        assert (await incident(router, acked))["status"] == "triggered"


async def test_a_page_that_pagerduty_opens_no_incident_for_is_told_once(database_url: str, tmp_path: Path) -> None:
    async with asking(database_url, tmp_path) as (router, rest):
        lost, there = [await opened(router, group=group, instance=group) for group in ("a", "b")]
        rest.opens(there)
        await router.service.reconciler.confirm(timedelta(minutes=2))
        assert "unconfirmed" not in [entry["kind"] for entry in (await incident(router, lost))["timeline"]]
        router.clock.pass_(minutes=3)
        for _ in range(2):
            await router.service.reconciler.confirm(timedelta(minutes=2))
        story = [entry["text"] for entry in (await incident(router, lost))["timeline"]]
        assert story.count("PagerDuty took the page to oncall and has opened no incident for it") == 1
        assert "but PagerDuty has opened no incident for it" in (await router.http.get(f"/incidents/{lost}")).text
        kinds = [entry["kind"] for entry in (await incident(router, there))["timeline"]]
        assert ("confirmed" in kinds, "unconfirmed" in kinds) == (True, False)
        rest.opens(lost)  # it comes after all
        await router.service.reconciler.reconcile()
        assert (
            "opened no incident for it"
            not in (await router.http.get(f"/incidents/{lost}")).text.partition("Sent to PagerDuty")[2]
        )


async def test_the_token_is_in_no_log_and_no_answer(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with asking(url, tmp_path) as (router, rest):
        await opened(router)
        rest.mode = "500"
        router.clock.pass_(minutes=15)
        await router.settled()
        assert TOKEN not in capsys.readouterr().out
