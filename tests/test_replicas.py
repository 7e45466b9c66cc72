"""Replicas on one PostgreSQL: nothing is opened twice, nothing is lost, and what one commits another acts on at once.

Nobody looks by itself in these tests, so that only what is told across replicas can wake anybody.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from alertrouter import worker
from alertrouter.store import channel
from alertrouter.web import live
from processes import notification
from serving import HandClock, Running, running, until

GROUPS = 10
ROUNDS = 20


@pytest.fixture(autouse=True)
def _without_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL_SECONDS", 3600.0)
    monkeypatch.setattr(live, "LOOK_SECONDS", 3600.0)


@asynccontextmanager
async def replicas(url: str, folder: Path, count: int = 2) -> AsyncIterator[list[Running]]:
    """Replicas with a clock for all and a PagerDuty for each, so that one sees who has sent."""
    clock = HandClock()
    async with AsyncExitStack() as stack:
        folders = [folder / f"{n}" for n in range(count)]
        for one in folders:
            one.mkdir()
        env = {"ALERTROUTER_RESOLVE_HOLD": "0s"}
        started = [await stack.enter_async_context(running(url, one, env, clock=clock)) for one in folders]
        with psycopg.connect(url, autocommit=True) as admin:  # each is woken once when it begins to listen
            await until(lambda: _listening(admin, count))
        await until(lambda: asyncio.sleep(0, all(_is_asleep(one) for one in started)))
        yield started


def busy(replica: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this replica does nothing about what it commits or hears."""
    monkeypatch.setattr(replica.service.worker, "wake", lambda _news: None)


async def test_two_replicas_open_each_incident_once_and_count_every_notification(postgres_url: str, tmp_path: Path) -> None:
    async with replicas(postgres_url, tmp_path) as both:
        bodies = [notification(group=f"{n % GROUPS}", instance=f"{n % 3}") for n in range(GROUPS * ROUNDS)]
        answers = await asyncio.gather(*(one.post(body) for body in bodies for one in both))
        assert {answer.status_code for answer in answers} == {200}
        incidents = (await both[0].http.get("/api/v1/incidents")).json()["incidents"]
        assert len(incidents) == GROUPS
        assert sum(one["notifications"] for one in incidents) == GROUPS * ROUNDS * 2
        events = [one for replica in both for one in await replica.settled()]
        assert sorted(one["dedup_key"] for one in events) == sorted(one["id"] for one in incidents)


async def test_what_people_do_on_one_replica_and_notifications_on_another_both_count(postgres_url: str, tmp_path: Path) -> None:
    async with replicas(postgres_url, tmp_path) as (one, other):
        bodies = [notification("NoRunbook", group=f"{n}", instance=f"{n}") for n in range(8)]
        ids = [(await one.post(body)).json()["incidents"][0] for body in bodies]
        acts = [other.http.post(f"/api/v1/incidents/{incident}/acknowledge", json={"by": "ana"}) for incident in reversed(ids)]
        repeats = [replica.post(body) for body in bodies for replica in (one, other)]
        answers = await asyncio.gather(*acts, *repeats)
        assert {answer.status_code for answer in answers} == {200}
        incidents = (await one.http.get("/api/v1/incidents")).json()["incidents"]
        assert [(found["status"], found["notifications"]) for found in incidents] == [("acknowledged", 3)] * len(ids)


async def test_what_one_replica_commits_another_sends_at_once(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replicas(postgres_url, tmp_path) as (one, other):
        busy(one, monkeypatch)
        [incident] = (await one.post(notification())).json()["incidents"]
        events = await until(other.events)
        assert [event["dedup_key"] for event in events] == [incident]
        assert await one.events() == []


async def test_a_timer_that_one_replica_sets_another_takes_at_its_time(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replicas(postgres_url, tmp_path) as (one, other):
        await one.post(notification())
        await one.settled()
        busy(one, monkeypatch)
        await one.post(notification(firing=False))  # held back for no time at all: the timer is due at once

        async def resolved() -> bool:
            return [event["event_action"] for event in await other.events()][-1:] == ["resolve"]

        await until(resolved)


async def test_a_page_that_is_open_on_another_replica_has_news_at_once(postgres_url: str, tmp_path: Path) -> None:
    async with replicas(postgres_url, tmp_path) as (one, other), asyncio.timeout(20):
        news = live._news(other.service, None)
        before = await anext(news)
        await one.post(notification())
        assert (await anext(news)).data != before.data
        await news.aclose()  # type: ignore[attr-defined]


async def test_replicas_whose_connections_broke_hear_each_other_again(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replicas(postgres_url, tmp_path) as (one, other):
        busy(one, monkeypatch)
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            broken = await until(lambda: _listening(admin, 2))
            for pid in broken:
                admin.execute("SELECT pg_terminate_backend(%s)", [pid])
            await until(lambda: _listening(admin, 2, broken))
        [incident] = (await one.post(notification())).json()["incidents"]
        events = await until(other.events)
        assert [event["dedup_key"] for event in events] == [incident]


def _is_asleep(replica: Running) -> bool:
    """Whether it has looked at everything once, and waits to be woken."""
    worker = replica.service.worker
    return len(worker.last_cycle) == len(worker._wakes) and not any(one.is_set() for one in worker._wakes.values())


async def _listening(admin: psycopg.Connection, count: int, but: Collection[int] = ()) -> set[int]:
    """The server processes of so many connections that listen, none of them in `but`; nothing while they are fewer."""
    named = (
        "datname = current_database() AND application_name = %s AND query LIKE 'LISTEN%%' AND state = 'idle' AND pid <> ALL(%s)"
    )
    found = admin.execute(f"SELECT pid FROM pg_stat_activity WHERE {named}", [channel.APPLICATION, list(but)]).fetchall()
    return {pid for (pid,) in found} if len(found) == count else set()
