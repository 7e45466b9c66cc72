"""Pages that PagerDuty does not get go other ways, once: to a real mail server and a real HTTP receiver."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alertrouter import routing
from alertrouter.fallback import Fallback, Ways
from alertrouter.settings import in_clear
from processes import free_port, notification
from serving import TARGETS, Running, running, serve, until


class Receiver:
    """An HTTP receiver that may refuse."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refuses = False
        self.app = Starlette(routes=[Route("/{path:path}", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        """Take a message."""
        if self.refuses:
            return JSONResponse({}, 500)
        self.taken.append(await request.json())
        return JSONResponse({})


@asynccontextmanager
async def falling_back(url: str, folder: Path, **given: Any) -> AsyncIterator[tuple[Running, Receiver, Fallback]]:
    """A service whose PagerDuty fails, and its fallback, which looks when it is told to."""
    receiver = Receiver()
    async with serve(receiver.app) as address:
        env = {"ALERTROUTER_FALLBACK_URLS": address.replace("http://", "json://user:a-password@") + "/hook"}
        async with running(url, folder, env, **given) as router:
            await router.pagerduty.post("/faults", json={"mode": "500", "count": 10_000})
            service = router.service
            ways = Ways(in_clear(service.settings.fallback_urls))
            after = service.settings.fallback_after
            yield router, receiver, Fallback(service.database, service.writer, ways, after, lambda: service.playbook)


async def opened(router: Running, **given: Any) -> str:
    [incident] = (await router.post(notification(**given))).json()["incidents"]
    await router.settled_but_failing()
    return str(incident)


async def dead(router: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await router.http.get("/api/v1/deliveries?state=dead")).json()["deliveries"]
    return found


async def texts(router: Running, incident: str) -> list[str]:
    return [entry["text"] for entry in (await router.http.get(f"/api/v1/incidents/{incident}")).json()["timeline"]]


async def test_a_page_that_fails_for_too_long_goes_other_ways_once_with_the_same_text(database_url: str, tmp_path: Path) -> None:
    async with falling_back(database_url, tmp_path) as (router, receiver, fallback):
        incident = await opened(router)
        router.clock.pass_(minutes=2)
        await fallback.look()
        assert receiver.taken == []
        router.clock.pass_(minutes=1)
        for _ in range(3):
            await fallback.look()
        [message] = receiver.taken
        assert message["title"] == "[CRITICAL] HighErrorRate on a: Errors above 1%"
        assert "PagerDuty could not be given this page: the answer was 500" in message["message"]
        assert "kubectl logs -n prod deploy/api" in message["message"]
        assert f"http://router.test/incidents/{incident}" in message["message"]
        told = [text for text in await texts(router, incident) if text.startswith("The page went by JSON, too")]
        assert len(told) == 1
        assert "a-password" not in str(await texts(router, incident))


async def test_a_page_that_is_refused_goes_other_ways_at_once(database_url: str, tmp_path: Path) -> None:
    async with falling_back(database_url, tmp_path) as (router, receiver, fallback):
        await router.pagerduty.delete("/faults")
        await router.pagerduty.post("/faults", json={"mode": "400", "count": 2})
        await opened(router)
        await until(lambda: dead(router))
        await fallback.look()
        assert "PagerDuty refused this page" in receiver.taken[0]["message"]


async def test_a_fallback_that_fails_is_tried_again_and_one_that_is_over_is_not(database_url: str, tmp_path: Path) -> None:
    async with falling_back(database_url, tmp_path) as (router, receiver, fallback):
        receiver.refuses = True
        stays, ends = await opened(router, group="1"), await opened(router, group="2", instance="b")
        router.clock.pass_(minutes=3)
        await fallback.look()
        assert "The fallback by JSON failed and is tried again" in await texts(router, stays)
        await router.http.post(f"/api/v1/incidents/{ends}/resolve", json={"by": "ana"})
        receiver.refuses = False
        router.clock.pass_(minutes=1)
        await fallback.look()
        assert len(receiver.taken) == 1
        assert stays in receiver.taken[0]["message"]


async def test_a_crash_between_claim_and_send_is_made_good_when_the_lease_is_over(database_url: str, tmp_path: Path) -> None:
    async with falling_back(database_url, tmp_path) as (router, receiver, fallback):
        await opened(router)
        router.clock.pass_(minutes=3)
        send, fallback._send = fallback._send, lambda _notice: asyncio.sleep(0)  # type: ignore[method-assign,assignment]
        await fallback.look()
        fallback._send = send  # type: ignore[method-assign]
        router.clock.pass_(seconds=89)
        await fallback.look()
        assert receiver.taken == []
        router.clock.pass_(seconds=1)
        await fallback.look()
        assert len(receiver.taken) == 1


async def test_a_route_can_do_without_it(url: str, tmp_path: Path) -> None:
    routes = [routing.Route((), "oncall", fallback=False)]
    async with falling_back(url, tmp_path, routing=routing.Routing(TARGETS, routes, "oncall")) as (router, receiver, fallback):
        await opened(router)
        router.clock.pass_(minutes=30)
        await fallback.look()
        assert receiver.taken == []


class Mailbox:
    """Mail that was delivered."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        """Take a mail."""
        self.mails.append(envelope.content)
        return "250 OK"


@pytest.mark.parametrize(("wish", "pages"), [(None, 0), (True, 1), (False, 0)])
async def test_a_page_that_pagerduty_never_confirms_goes_other_ways_where_its_route_asks_for_that(
    wish: bool | None, pages: int, url: str, tmp_path: Path
) -> None:
    asking = routing.Routing(TARGETS, (routing.Route((), "oncall", fallback=wish),), "oncall")
    async with falling_back(url, tmp_path, routing=asking) as (router, receiver, fallback):
        await router.pagerduty.delete("/faults")
        await router.post(notification())
        assert len(await router.settled()) == 1
        router.clock.pass_(minutes=3)
        await router.service.reconciler.confirm(timedelta(minutes=2))
        await fallback.look()
        assert len(receiver.taken) == pages


async def test_mail_is_a_way(tmp_path: Path) -> None:
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        ways = Ways([f"mailto://127.0.0.1:{controller.port}?from=alertrouter@example.com&to=oncall@example.com"])
        assert await ways.send("[CRITICAL] Disk full", "Look there.")
    finally:
        controller.stop()
    assert b"Disk full" in mailbox.mails[0]
    assert b"oncall@example.com" in mailbox.mails[0]


@pytest.mark.parametrize(("given", "number"), [("nonsense://secret-word", 1), ("json://127.0.0.1,://secret-word", 2)])
def test_an_address_that_is_none_stops_the_start_and_is_not_shown(tmp_path: Path, given: str, number: int) -> None:
    env = {**os.environ, "ALERTROUTER_FALLBACK_URLS": given, "PAGERDUTY_ROUTING_KEY": "0" * 32}
    command = [sys.executable, "-m", "alertrouter.cli", "serve"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=60, check=False)
    assert done.returncode == 1
    assert f"ALERTROUTER_FALLBACK_URLS: address number {number} is none that Apprise knows" in done.stderr
    assert "secret-word" not in done.stderr
