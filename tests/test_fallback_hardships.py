"""The other ways when they are in trouble themselves: broken, slow, picky, many."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from test_fallback import Receiver, falling_back, opened, texts

import alertrouter.fallback
from alertrouter import routing
from alertrouter.escalation import Step
from alertrouter.fallback import Fallback, Ways
from alertrouter.pagerduty.outcomes import Limited
from alertrouter.settings import in_clear
from alertrouter.store.database import UnavailableError
from alertrouter.store.writer import Writer
from processes import notification
from serving import TARGETS, Running, serve, until


def beside(fallback: Fallback, ways: Ways) -> Fallback:
    """The fallback of another process on the same database, or of the same one after a restart."""
    return Fallback(fallback._database, fallback._writer, ways, fallback._after, fallback._playbook)


async def test_a_way_that_has_it_is_left_alone_while_another_is_tried_again(database_url: str, tmp_path: Path) -> None:
    broken = Receiver()
    broken.refuses = True
    async with falling_back(database_url, tmp_path) as (router, good, fallback), serve(broken.app) as address:
        urls = [*in_clear(router.service.settings.fallback_urls), address.replace("http://", "json://") + "/other"]
        incident = await opened(router)
        router.clock.pass_(minutes=3)
        for order in (urls, urls, urls[::-1]):
            await beside(fallback, Ways(order)).look()
            router.clock.pass_(minutes=1)
        assert len(good.taken) == 1
        told = [text for text in await texts(router, incident) if "fallback by JSON failed" in text]
        assert len(told) == 1
        broken.refuses = False
        for _ in range(2):
            await beside(fallback, Ways(urls)).look()
            router.clock.pass_(minutes=1)
        assert (len(good.taken), len(broken.taken)) == (1, 1)


async def test_pages_say_that_it_went_other_ways(database_url: str, tmp_path: Path) -> None:
    async with falling_back(database_url, tmp_path) as (router, _, fallback):
        incident = await opened(router)
        pages = ["/", f"/incidents/{incident}"]
        assert not [path for path in pages if "went other ways" in (await router.http.get(path)).text]
        router.clock.pass_(minutes=3)
        await fallback.look()
        assert [path for path in pages if "went other ways" in (await router.http.get(path)).text] == pages


class Waiting(Ways):
    """Ways that take no page before they are let."""

    def __init__(self, urls: Collection[str]) -> None:
        super().__init__(urls)
        self.started = 0
        self.may_end = asyncio.Event()

    async def send(self, title: str, body: str, but: Collection[str] = ()) -> frozenset[str]:
        """Wait, then send."""
        self.started += 1
        await self.may_end.wait()
        return await super().send(title, body, but)


async def test_slow_ways_do_not_outlast_the_leases_of_many(database_url: str, tmp_path: Path) -> None:
    async with falling_back(database_url, tmp_path) as (router, receiver, fallback):
        for name in "abc":
            await opened(router, group=name, instance=name)
        router.clock.pass_(minutes=3)
        urls = list(in_clear(router.service.settings.fallback_urls))
        slow = Waiting(urls)
        looking = asyncio.create_task(beside(fallback, slow).look())
        await until(lambda: asyncio.sleep(0, slow.started == 3))
        router.clock.pass_(seconds=alertrouter.fallback.SEND_SECONDS)
        await beside(fallback, Ways(urls)).look()
        slow.may_end.set()
        await looking
        assert len(receiver.taken) == 3


async def test_what_went_other_ways_is_recorded_however_long_the_database_is_away(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, refused = Writer.submit, list[Any]()

    async def away(self: Writer, handler: Any, item: Any, **given: Any) -> Any:
        if handler is alertrouter.fallback._record and not refused:
            refused.append(item)
            raise UnavailableError("the database is away")
        return await submit(self, handler, item, **given)

    async with falling_back(url, tmp_path) as (router, receiver, fallback):
        await opened(router)
        router.clock.pass_(minutes=3)
        monkeypatch.setattr(Writer, "submit", away)
        await fallback.look()
        router.clock.pass_(minutes=10)
        await fallback.look()
        assert (len(refused), len(receiver.taken)) == (1, 1)


async def _is_tried_as_time_passes(router: Running, incident: str) -> bool:
    """A failing key takes a few at a time."""
    router.clock.pass_(seconds=1)
    router.service.worker.poke()
    return await _is_tried(router, incident)


async def _is_tried(router: Running, incident: str) -> bool:
    deliveries = (await router.http.get(f"/api/v1/incidents/{incident}")).json()["deliveries"]
    return bool(deliveries[0]["error"])


async def test_what_is_over_does_not_stand_before_what_is_open(database_url: str, tmp_path: Path) -> None:
    async with falling_back(database_url, tmp_path) as (router, receiver, fallback):
        receiver.refuses = True
        over = [await opened(router, group=str(number), instance=str(number)) for number in range(12)]
        router.clock.pass_(minutes=3)
        while await fallback.look():
            pass
        for incident in over:
            await router.http.post(f"/api/v1/incidents/{incident}/resolve", json={"by": "ana"})
        receiver.refuses = False
        [live] = (await router.post(notification(group="live", instance="live"))).json()["incidents"]
        await until(lambda: _is_tried_as_time_passes(router, live))
        router.clock.pass_(minutes=3)
        await fallback.look()
        assert [live in message["message"] for message in receiver.taken] == [True]


async def test_a_step_of_an_incident_that_pages_nobody_itself_goes_other_ways(database_url: str, tmp_path: Path) -> None:
    silent = routing.Route((), "none", escalation=(Step(timedelta(0), "engineering", None),))
    given = routing.Routing(TARGETS, [silent], "oncall")
    async with falling_back(database_url, tmp_path, routing=given) as (router, receiver, fallback):
        incident = await opened(router, name="NoRunbook")
        router.clock.pass_(minutes=3)
        await fallback.look()
        assert [incident in message["message"] for message in receiver.taken] == [True]


async def test_many_that_do_without_it_do_not_hide_one_that_wants_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alertrouter.fallback, "_MOST", 2)
    without = routing.Route((routing.parse_matcher('instance!="z"'),), "oncall", fallback=False)
    given = routing.Routing(TARGETS, [without], "oncall")
    async with falling_back(url, tmp_path, routing=given) as (router, receiver, fallback):
        for name in "abcz":
            router.clock.pass_(seconds=1)
            incident = await opened(router, group=name, instance=name)
        router.clock.pass_(minutes=3)
        await fallback.look()
        assert [incident in message["message"] for message in receiver.taken] == [True]


async def _taken_by_ntfy(router: Running, fallback: Fallback) -> list[dict[str, Any]]:
    taken: list[dict[str, Any]] = []

    async def take(request: Request) -> JSONResponse:
        taken.append(await request.json())
        return JSONResponse({})

    async with serve(Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])) as address:
        router.clock.pass_(minutes=3)
        await beside(fallback, Ways([address.replace("http://", "ntfy://") + "/oncall"])).look()
    return taken


async def test_a_text_too_long_for_a_service_is_cut_and_keeps_its_links(url: str, tmp_path: Path) -> None:
    async with falling_back(url, tmp_path) as (router, _, fallback):
        body = notification()
        body["alerts"][0]["labels"] |= {f"l{number}": "x" * 900 for number in range(12)}
        body["alerts"][0]["annotations"]["description"] = "y" * 4000
        [incident] = (await router.post(body)).json()["incidents"]
        await router.settled_but_failing()
        [message] = await _taken_by_ntfy(router, fallback)
        assert 7000 < len(message["message"]) <= 7800
        assert f"http://router.test/incidents/{incident}" in message["message"]


def test_addresses_that_differ_by_a_password_alone_are_both_used_and_named_without_it() -> None:
    ways = Ways(["json://user:one@127.0.0.1/", "json://user:two@127.0.0.1/"])
    assert len(ways.names) == 2
    assert ways.names == Ways(["json://user:six@127.0.0.1/", "json://user:ten@127.0.0.1/"]).names


async def test_a_first_attempt_that_is_under_way_is_no_failure_however_long_it_had_to_wait(url: str, tmp_path: Path) -> None:
    async with falling_back(url, tmp_path) as (router, receiver, fallback):
        await router.pagerduty.delete("/faults")
        await router.pagerduty.post("/faults", json={"mode": "slow", "seconds": 1})
        worker = router.service.worker
        key = router.service.playbook.routing.fingerprints()["oncall"]
        worker.keys.answered(key, Limited(None), timedelta(minutes=4), router.clock.now)
        await router.post(notification())
        router.clock.pass_(minutes=4)
        worker.poke()
        await until(lambda: asyncio.sleep(0.02, worker._in_flight))
        await fallback.look()
        await router.settled()
        assert receiver.taken == []


async def test_pages_that_wait_in_vain_behind_others_of_their_target_go_other_ways_too(url: str, tmp_path: Path) -> None:
    async with falling_back(url, tmp_path) as (router, receiver, fallback):
        await router.pagerduty.delete("/faults")
        await router.pagerduty.post("/faults", json={"mode": "429", "count": 10_000})
        for number in range(50):
            await router.post(notification(group=str(number), instance=str(number)))
        await until(lambda: asyncio.sleep(0.02, router.service.worker.keys.opens_in(router.clock.now)))
        await until(lambda: asyncio.sleep(0.02, not router.service.worker._in_flight))
        router.clock.pass_(minutes=4)
        while await fallback.look():
            pass
        assert len(receiver.taken) == 50
