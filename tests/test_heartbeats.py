"""Heartbeats: a route whose alerts are to come, and what happens when they do not."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import serving
from alertrouter import heartbeats
from alertrouter.clock import Clock
from alertrouter.planning import Playbook
from alertrouter.posts import take
from alertrouter.routing import Route, Routing, parse_matcher
from alertrouter.runbooks.match import Index
from alertrouter.service import Service
from alertrouter.store import heartbeats as beats
from alertrouter.store import queries
from alertrouter.store.database import Database
from posting import post
from processes import notification
from serving import TARGETS, HandClock, Running, until

WATCHDOG = Route((parse_matcher('alertname="Watchdog"'),), "oncall", heartbeat=timedelta(minutes=10), line=5)
ROUTING = Routing(TARGETS, (WATCHDOG,), "oncall")


def beat(**given: Any) -> dict[str, Any]:
    body = notification("Watchdog", group="watchdog", **given)
    for alert in body["alerts"]:
        alert["labels"]["severity"] = "none"
    return body


async def open_incidents(router: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await router.http.get("/api/v1/incidents?status=open")).json()["incidents"]
    return found


@asynccontextmanager
async def running(*args: Any, **given: Any) -> AsyncIterator[Running]:
    """A service that has had its first look."""
    async with serving.running(*args, **given) as router:
        await until(lambda: asyncio.sleep(0, router.service.worker._watched))
        yield router


async def looked(router: Running) -> None:
    """Let the worker look at the heartbeats, and send what that gives."""
    cycles = router.service.worker.last_cycle
    for _ in range(2):  # the first may have begun before the clock was set
        before = cycles.get("timers")
        router.service.worker.poke()
        await until(lambda before=before: asyncio.sleep(0, cycles.get("timers") != before))  # type: ignore[misc]
    await router.settled()


async def test_beats_open_no_incident_and_page_nobody(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, routing=ROUTING) as router:
        for _ in range(3):
            assert (await router.post(beat())).json() == {"incidents": []}
            router.clock.pass_(minutes=9)
            await looked(router)
        assert (await open_incidents(router), await router.settled()) == ([], [])


async def test_a_heartbeat_that_does_not_come_pages_and_escalates_and_is_over_when_it_is_back(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path, routing=ROUTING) as router:
        await router.post(beat())
        router.clock.pass_(minutes=9, seconds=59)
        await looked(router)
        assert await open_incidents(router) == []
        router.clock.pass_(seconds=1)
        await looked(router)
        [incident] = await open_incidents(router)
        assert (incident["severity"], incident["target"]) == ("critical", "oncall")
        assert incident["title"].startswith("HeartbeatLost on a: Watchdog is not heard any more: the last beat came at 20")
        router.clock.pass_(minutes=15)
        await looked(router)
        assert [one["event_action"] for one in await router.settled()] == ["trigger", "trigger"]
        await router.post(beat())
        assert await open_incidents(router) == []
        ended = (await router.http.get(f"/api/v1/incidents/{incident['id']}")).json()
        assert (ended["status"], ended["resolve_reason"]) == ("resolved", "the heartbeat is back")
        assert [one["event_action"] for one in await router.settled()][2:] == ["resolve", "resolve"]
        router.clock.pass_(minutes=10)
        await looked(router)
        [second] = await open_incidents(router)
        assert second["previous"] == incident["id"]


async def test_a_resolved_body_is_no_beat(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, routing=ROUTING) as router:
        await router.post(beat())
        router.clock.pass_(minutes=9)
        assert (await router.post(beat(firing=False))).status_code == 200
        router.clock.pass_(minutes=1)
        await looked(router)
        assert len(await open_incidents(router)) == 1


async def test_each_source_and_alert_is_a_heartbeat_of_its_own(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, routing=ROUTING) as router:
        for source, instance in (("eu", "a"), ("us", "a"), ("us", "b")):
            await router.post(beat(instance=instance), f"/webhooks/alertmanager/{source}")
        router.clock.pass_(minutes=5)
        await router.post(beat(), "/webhooks/alertmanager/us")
        router.clock.pass_(minutes=5)
        await looked(router)
        found = await open_incidents(router)
        assert sorted((one["source"], one["title"].split(":")[0]) for one in found) == [
            ("eu", "HeartbeatLost on a"),
            ("us", "HeartbeatLost on b"),
        ]


async def test_a_route_that_never_saw_a_beat_pages_one_interval_after_the_start(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, routing=ROUTING) as router:
        await looked(router)
        router.clock.pass_(minutes=10)
        await looked(router)
        [incident] = await open_incidents(router)
        assert "no beat ever came" in incident["title"]
        await router.post(beat())
        assert await open_incidents(router) == []
        router.clock.pass_(minutes=9)
        await looked(router)
        assert await open_incidents(router) == []


async def test_a_start_gives_an_overdue_heartbeat_its_interval_once(database_url: str, tmp_path: Path) -> None:
    clock = HandClock()
    async with running(database_url, tmp_path, routing=ROUTING, clock=clock) as router:
        await router.post(beat())
    clock.pass_(minutes=30)
    async with running(database_url, tmp_path, routing=ROUTING, clock=clock) as router:
        assert await open_incidents(router) == []
        clock.pass_(minutes=9)
        await looked(router)
        assert await open_incidents(router) == []
    clock.pass_(minutes=30)  # it is restarted again, and again
    async with running(database_url, tmp_path, routing=ROUTING, clock=clock) as router:
        assert len(await open_incidents(router)) == 1


async def test_a_lost_heartbeat_survives_a_restart_and_pages_once(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, routing=ROUTING) as router:
        await router.post(beat())
        router.clock.pass_(minutes=10)
        await looked(router)
        [incident] = await open_incidents(router)
        other = Service(router.service.settings, ROUTING, Clock(lambda: router.clock.now))
        await other.start()  # a second replica
        other.worker.poke()
        await looked(router)
        await other.stop()
        assert [one["id"] for one in await open_incidents(router)] == [incident["id"]]
        assert len(await router.settled()) == 1


async def test_heartbeats_of_a_route_that_is_gone_end_quietly(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, routing=ROUTING) as router:
        await router.post(beat())
        router.clock.pass_(minutes=10)
        await looked(router)
        [incident] = await open_incidents(router)
        await router.rotate(Routing(TARGETS, (replace(WATCHDOG, matchers=(parse_matcher('alertname="Other"'),)),), "oncall"))
        await looked(router)
        assert await open_incidents(router) == []
        with router.service.database.read() as session:
            story = queries.story(session, incident["id"])
        assert story
        assert story.incident.resolve_reason == "its route is not in the routing file any more"
        router.clock.pass_(minutes=9)
        await looked(router)
        assert await open_incidents(router) == []


async def test_alerts_beside_a_heartbeat_in_one_body_are_paged_as_ever(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, routing=ROUTING) as router:
        body = beat()
        body["alerts"] += notification("DatabaseDown")["alerts"]
        assert len((await router.post(body)).json()["incidents"]) == 1


async def test_an_overdue_heartbeat_gets_its_interval_at_a_start_however_short_the_delay(url: str, tmp_path: Path) -> None:
    clock = HandClock()
    async with running(url, tmp_path, routing=ROUTING, clock=clock) as router:
        await router.post(beat())
    clock.pass_(minutes=10, seconds=20)
    async with running(url, tmp_path, routing=ROUTING, clock=clock) as router:
        assert await open_incidents(router) == []
        clock.pass_(minutes=10)
        await looked(router)
        assert len(await open_incidents(router)) == 1


@pytest.mark.parametrize(("seconds_away", "lost"), [(29, 1), (31, 0)])
def test_nobody_could_hear_beats_while_nobody_could_look(url: str, seconds_away: int, lost: int) -> None:
    """The database was away, or the process stood still, until this look began."""
    clock = HandClock()
    database = Database(url, Clock(lambda: clock.now))
    playbook = Playbook(ROUTING, Index(), (), timedelta(), "http://x")
    with database.transaction() as tx:
        take(tx, [post(beat(), playbook)])
    clock.pass_(minutes=11)
    with database.transaction() as tx:
        heartbeats.look(tx, [heartbeats.Watch(playbook, time.monotonic() - seconds_away)])
        assert len([one for one in beats.load(tx) if one.incident_id]) == lost
    database.close()


@pytest.mark.parametrize(("interval", "minutes", "lost"), [(60, 11, 0), (60, 60, 1), (5, 4, 0), (5, 5, 1)])
async def test_a_changed_interval_counts_at_once(url: str, tmp_path: Path, interval: int, minutes: int, lost: int) -> None:
    async with running(url, tmp_path, routing=ROUTING) as router:
        await router.post(beat())
        await looked(router)
        changed = replace(WATCHDOG, heartbeat=timedelta(minutes=interval))
        router.clock.pass_(minutes=1)
        await router.rotate(Routing(TARGETS, (changed,), "oncall"))
        await looked(router)
        router.clock.pass_(minutes=minutes - 1)
        await looked(router)
        assert len(await open_incidents(router)) == lost


async def test_a_lost_heartbeat_that_a_person_closed_pages_again_after_one_more_interval(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, routing=ROUTING) as router:
        await router.post(beat())
        router.clock.pass_(minutes=10)
        await looked(router)
        [one] = await open_incidents(router)
        await router.http.post(f"/api/v1/incidents/{one['id']}/resolve", json={"by": "ana"})
        await looked(router)
        router.clock.pass_(minutes=9)
        await looked(router)
        assert await open_incidents(router) == []
        router.clock.pass_(minutes=1)
        await looked(router)
        [again] = await open_incidents(router)
        assert again["previous"] == one["id"]


async def test_an_incident_from_before_its_alert_was_a_heartbeat_ends(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, routing=Routing(TARGETS, (), "oncall")) as router:
        await router.post(beat())
        assert len(await open_incidents(router)) == 1
        await router.rotate(ROUTING)
        await looked(router)
        await router.post(beat())
        router.clock.pass_(minutes=2)
        await router.settled()
        assert await open_incidents(router) == []
        router.clock.pass_(minutes=10)
        await looked(router)
        assert [one["title"].split(" ")[0] for one in await open_incidents(router)] == ["HeartbeatLost"]


async def test_what_alertmanager_does_not_hold_does_not_end_a_lost_heartbeat(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, routing=ROUTING) as router:
        await router.post(beat())
        router.clock.pass_(minutes=10)
        await looked(router)
        await router.post(notification("Other"))
        with router.service.database.read() as session:
            assert len(queries.held_incidents(session, "default")) == 1


async def test_a_replica_with_an_older_file_does_not_silence_a_lost_heartbeat_for_good(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, routing=ROUTING) as router:
        await router.post(beat())
        router.clock.pass_(minutes=10)
        await looked(router)
        older = Playbook(Routing(TARGETS, (), "oncall"), Index(), (), timedelta(), "http://x")
        await router.service.writer.submit(heartbeats.look, heartbeats.Watch(older))
        await looked(router)
        router.clock.pass_(minutes=10)
        await looked(router)
        assert len(await open_incidents(router)) == 1
