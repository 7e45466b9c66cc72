"""Events of PagerDuty out of order and repeated, chains of merges, lost answers: nothing is closed, silenced or paged twice."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pagerduty_feed import PERSON, SECRET, PagerDuty, texts
from processes import notification
from rest import asking, opened
from serving import Running, running

HEARS: dict[str, Any] = {"ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS": SECRET}
EARLIER, LATER = "2026-11-23T03:00:01Z", "2026-11-23T03:00:02Z"


def merged(into: str | None) -> dict[str, Any]:
    return {"resolve_reason": {"type": "merge_resolve_reason", "incident": {"id": into} if into else None}}


async def statuses(router: Running, *ids: str) -> list[str]:
    return [(await PagerDuty(router).incident(one))["status"] for one in ids]


async def pages(router: Running) -> list[str]:
    return [event["dedup_key"] for event in await router.settled() if event["event_action"] == "trigger"]


@pytest.mark.parametrize("kind", ["annotated", "reassigned", "priority_updated", "triggered", "from_the_future"])
async def test_an_acknowledgement_counts_though_something_later_that_changes_nothing_was_heard_before(
    url: str, tmp_path: Path, kind: str
) -> None:
    async with running(url, tmp_path, HEARS) as router:
        pagerduty = PagerDuty(router)
        one = await pagerduty.opened("NoRunbook", "P1")
        await pagerduty.say(f"incident.{kind}", "P1", occurred_at=LATER)
        await pagerduty.say("incident.acknowledged", "P1", occurred_at=EARLIER)
        assert await statuses(router, one) == ["acknowledged"]


async def chain(router: Running) -> tuple[PagerDuty, list[str]]:
    pagerduty = PagerDuty(router)
    return pagerduty, [await pagerduty.opened("NoRunbook", f"P{n}", group=n, instance=n) for n in "123"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_chain_of_merges_is_followed_in_any_order_without_a_token(
    database_url: str, tmp_path: Path, order: tuple[int, int]
) -> None:
    async with running(database_url, tmp_path, HEARS) as router:
        pagerduty, ids = await chain(router)
        merges = [("P1", "P2"), ("P2", "P3")]
        for number in order:
            source, into = merges[number]
            await pagerduty.say("incident.resolved", source, data=merged(into))
        assert await statuses(router, *ids) == ["triggered"] * 3
        await pagerduty.say("incident.acknowledged", "P3")
        assert await statuses(router, *ids) == ["acknowledged"] * 3
        await pagerduty.say("incident.resolved", "P3")
        assert await statuses(router, *ids) == ["resolved"] * 3
        assert len(await router.settled()) == 3  # nothing is sent back


async def test_what_was_merged_on_before_anybody_could_ask_is_not_over(database_url: str, tmp_path: Path) -> None:
    async with asking(database_url, tmp_path, **HEARS) as (router, rest):
        pagerduty, ids = await chain(router)
        for number, one in enumerate(ids, start=1):
            rest.opens(one, f"P{number}")
        rest.merges("P1", "P2")
        rest.merges("P2", "P3")
        await pagerduty.say("incident.resolved", "P1", data=merged("P2"))
        assert await statuses(router, *ids) == ["triggered"] * 3
        await pagerduty.say("incident.acknowledged", "P3")
        assert await statuses(router, ids[0]) == ["acknowledged"]


@pytest.mark.parametrize("with_token", [True, False])
async def test_what_was_merged_into_something_that_is_not_named_is_not_over(url: str, tmp_path: Path, with_token: bool) -> None:
    async with asking(url, tmp_path, **HEARS) as (router, rest):
        if not with_token:
            router.service.reconciler._rest = None
        pagerduty = PagerDuty(router)
        ids = [await pagerduty.opened("NoRunbook", f"P{n}", group=n, instance=n) for n in "12"]
        rest.opens(ids[0], "P1", status="resolved")
        rest.incidents[ids[0]] |= merged(None)
        await pagerduty.say("incident.resolved", "P1", data=merged(None))
        await pagerduty.say("incident.resolved", "P2", data=merged("P1"))
        assert await statuses(router, *ids) == ["triggered"] * 2


async def test_a_page_whose_answer_was_lost_and_that_was_resolved_there_is_not_sent_again(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path, HEARS) as router:
        pagerduty = PagerDuty(router)
        one = await pagerduty.opened("HighErrorRate", "P1")
        await router.pagerduty.post("/faults", json={"mode": "drop"})
        router.clock.pass_(minutes=15)
        await router.settled()
        step = next(event for event in await router.events() if event["dedup_key"] == f"{one}/e1")
        await pagerduty.say("incident.triggered", "P2", client_url=step["client_url"], agent=None)
        await pagerduty.say("incident.resolved", "P2")
        router.clock.pass_(minutes=1)
        assert await pages(router) == [one, f"{one}/e1"]
        assert await statuses(router, one) == ["triggered"]


@pytest.mark.parametrize("status", ["triggered", "acknowledged", "resolved", "unknown"])
async def test_with_a_token_pagerduty_is_asked_before_a_page_is_sent_again(url: str, tmp_path: Path, status: str) -> None:
    async with asking(url, tmp_path) as (router, rest):
        await router.pagerduty.post("/faults", json={"mode": "drop"})
        one = await opened(router)
        if status != "unknown":
            rest.opens(one, status=status)
        router.clock.pass_(minutes=1)
        has_it = status != "unknown"
        assert await pages(router) == [one] * (1 if has_it else 2)
        assert await statuses(router, one) == [status if has_it else "triggered"]
        [delivery] = (await router.http.get("/api/v1/deliveries")).json()["deliveries"]
        assert (delivery["state"], delivery["attempts"]) == ("sent", 2)


async def test_a_page_is_sent_again_though_pagerduty_cannot_be_asked(url: str, tmp_path: Path) -> None:
    async with asking(url, tmp_path) as (router, rest):
        await router.pagerduty.post("/faults", json={"mode": "drop"})
        one = await opened(router)
        rest.mode = "odd"
        router.clock.pass_(minutes=1)
        assert await pages(router) == [one, one]


async def test_two_replicas_that_hear_the_same_webhooks_at_once_in_any_order_do_each_once(postgres: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("CREATE DATABASE hearing TEMPLATE migrated")
        async with AsyncExitStack() as stack:
            replicas = []
            for name in "ab":
                (tmp_path / name).mkdir()
                url = postgres.replace("/postgres?", "/hearing?")
                replicas.append(await stack.enter_async_context(running(url, tmp_path / name, HEARS)))
            feeds = [PagerDuty(one) for one in replicas]
            for n in range(12):
                await replicas[0].post(notification("DatabaseDown", group=f"{n}", instance=f"{n}"))
            paged = [event for one in replicas for event in await one.settled() if "/" not in event["dedup_key"]]
            ids = [event["dedup_key"] for event in paged]
            for n, event in enumerate(paged):
                await feeds[0].say("incident.triggered", f"P{n}", client_url=event["client_url"])
            said: list[tuple[str, str, dict[str, Any]]] = [
                (kind, f"P{n}", {"webhook_id": f"{kind} {n}", "event_id": f"{kind} {n}", "occurred_at": at})
                for n in range(12)
                for kind, at in (("incident.acknowledged", EARLIER), ("incident.reassigned", LATER))
            ]
            await asyncio.gather(
                *(feeds[0].say(kind, one, agent=PERSON, **given) for kind, one, given in said),
                *(feeds[1].say(kind, one, agent=PERSON, **given) for kind, one, given in reversed(said)),
            )
            stories = [texts(await feeds[0].incident(one)) for one in ids]
            assert [story.count("Acknowledged by Bia in PagerDuty") for story in stories] == [1] * 12
            assert [sum("reassigned" in text for text in story) for story in stories] == [1] * 12
            events = [event for one in replicas for event in await one.settled()]
            told = sorted(event["dedup_key"] for event in events if event["event_action"] == "acknowledge")
            assert told == sorted(f"{one}/e1" for one in ids)
        admin.execute("DROP DATABASE hearing WITH (FORCE)")
