"""What Alertmanagers hold, compared with open incidents: in trouble. (With a real Alertmanager: e2e/test_inventory.py.)"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from alertrouter import inventory
from alertrouter.alertmanager_api import CannotLookError, Look, look
from alertrouter.holding import Held
from alertrouter.inventory import Inventory, Seen, _compare
from alertrouter.pagerduty.events import silence_url
from alertrouter.routing import Route, Routing
from alertrouter.store import held, queries
from alertrouter.store.database import Transaction
from processes import notification
from serving import TARGETS, Running, running


def known(router: Running) -> dict[str, Held]:
    with router.service.database.read() as session:
        return queries.held_incidents(session, "default")


async def statuses(router: Running) -> list[str]:
    found = (await router.http.get("/api/v1/incidents")).json()["incidents"]
    return [one["status"] for one in found]


@pytest.mark.parametrize("is_older", [True, False])
async def test_a_list_from_before_a_notification_closes_nothing(database_url: str, tmp_path: Path, is_older: bool) -> None:
    async with running(database_url, tmp_path) as router:
        nothing = Look(router.clock.now - timedelta(days=1), {})
        await router.post(notification("A", group="g"))
        await router.service.writer.submit(_compare, Seen("default", [nothing], known(router)))
        router.clock.pass_(minutes=6)
        before = known(router)
        if is_older:  # the list was read, and then this came
            await router.post(notification("B", group="g"))
        await router.service.writer.submit(_compare, Seen("default", [nothing], before))
        assert await statuses(router) == ["triggered" if is_older else "resolved"]


@pytest.mark.parametrize(
    ("silences", "by"),
    [
        (b'[{"id": "s", "createdBy": "A\\u0000na \\ud800", "endsAt": "2026-11-23T05:00:00Z"}]', "A na"),
        (b'[{"id": "s", "createdBy": "Ana", "endsAt": "0001-01-01T00:00:00+14:00"}]', None),
        (b"[" * 100_000, None),
    ],
)
async def test_what_a_database_or_a_calendar_cannot_hold_stops_no_comparison(silences: bytes, by: str | None) -> None:
    given = {
        "status": b'{"uptime": "2026-11-23T03:00:00Z"}',
        "alerts": b'[{"fingerprint": "a", "status": {"silencedBy": ["s"]}}]',
        "silences": silences,
    }
    answers = httpx.MockTransport(lambda request: httpx.Response(200, content=given[request.url.path.rpartition("/")[2]]))
    async with httpx.AsyncClient(transport=answers) as http:
        if by is None:
            with pytest.raises(CannotLookError):
                await look(http, "http://am")
            return
        silence = (await look(http, "http://am")).alerts["a"]
    assert silence is not None
    assert silence.by == by


async def test_an_alertmanager_that_cannot_be_asked_keeps_nobody_from_the_next(url: str, tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(503)

    addresses = {"default": ("http://am:99999\x00",), "eu": ("http://eu",)}
    async with running(url, tmp_path, routing=Routing(TARGETS, (), "oncall", alertmanagers=addresses)) as router:
        await router.post(notification("A"))
        await router.post(notification("A"), "/webhooks/alertmanager/eu")
        service = router.service
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            await Inventory(service.database, service.writer, lambda: service.playbook).look(http)
    assert asked == ["eu"]


async def test_every_open_incident_is_compared_however_many_there_are(url: str, tmp_path: Path) -> None:
    routing = Routing(TARGETS, (Route((), "none", per_alert=True),), "oncall", alertmanagers={"default": ("http://am",)})

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/status"):
            return httpx.Response(200, json={"uptime": "2026-11-22T00:00:00Z"})
        return httpx.Response(200, json=[])

    async with running(url, tmp_path, routing=routing) as router:
        alert = notification("A")["alerts"][0]
        alerts = [{**alert, "labels": {**alert["labels"], "n": str(n)}, "fingerprint": f"{n:016d}"} for n in range(600)]
        await router.post({**notification("A"), "alerts": alerts})
        service = router.service
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            for _ in range(2):
                await Inventory(service.database, service.writer, lambda: service.playbook).look(http)
                router.clock.pass_(minutes=6)
        assert known(router) == {}


async def test_a_silence_is_shown_while_it_lasts_and_the_incident_is_open(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        [one] = (await router.post(notification("A"))).json()["incidents"]

        def silence(tx: Transaction, _: object) -> list[None]:
            held.save(tx, one, None, ("ana", router.clock.now + timedelta(hours=2)))
            return [None]

        await router.service.writer.submit(silence, None)
        for path in ("/", f"/incidents/{one}"):
            assert "ilenced" in (await router.http.get(path)).text
        router.clock.pass_(hours=3)
        assert "ilenced in" not in (await router.http.get(f"/incidents/{one}")).text
        router.clock.pass_(hours=-3)
        await router.http.post(f"/incidents/{one}/resolve")
        assert "ilenced in" not in (await router.http.get(f"/incidents/{one}")).text


def test_the_form_for_a_silence_quotes_names_that_want_it() -> None:
    link = silence_url("http://am", {"alertname": 'A"', "http.status": "500"})
    assert link == "http://am/#/silences/new?filter=%7Balertname%3D%22A%5C%22%22%2C%20%22http.status%22%3D%22500%22%7D"


async def test_alertmanagers_are_looked_at_from_when_they_are_named(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "LOOK_EVERY", timedelta(milliseconds=5))
    clients, looks = [], asyncio.Event()

    class Looking(Inventory):
        async def look(self, http: httpx.AsyncClient) -> None:
            clients.append(http)
            looks.set()

    async with running(url, tmp_path) as router:
        service = router.service
        playbooks = [service.playbook]
        task = asyncio.create_task(Looking(service.database, service.writer, lambda: playbooks[-1]).run())
        await asyncio.sleep(0.05)
        assert not clients
        named = Routing(TARGETS, (), "oncall", alertmanagers={"default": ("http://am",)})
        playbooks.append(replace(service.playbook, routing=named))
        async with asyncio.timeout(10):
            await looks.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
