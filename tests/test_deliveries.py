"""Deliveries through the running service, to a PagerDuty that misbehaves: in order, at least once, nothing dropped silently."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alertrouter.deliveries import Trigger, is_superseded
from alertrouter.incidents import Action
from alertrouter.routing import Routing, Target
from alertrouter.store.outbox import LEASE_SECONDS
from processes import notification
from serving import KEYS, Running, running, until


async def fault(router: Running, mode: str, **given: Any) -> None:
    (await router.pagerduty.post("/faults", json={"mode": mode, **given})).raise_for_status()


async def heal(router: Running) -> None:
    (await router.pagerduty.delete("/faults")).raise_for_status()


async def opened(router: Running, name: str = "HighErrorRate", **given: Any) -> str:
    [incident] = (await router.post(notification(name, **given))).json()["incidents"]
    found: str = incident
    return found


async def deliveries(router: Running, incident: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await router.http.get(f"/api/v1/incidents/{incident}")).json()["deliveries"]
    return found


async def acted(router: Running, incident: str, action: str) -> None:
    answer = await router.http.post(f"/api/v1/incidents/{incident}/{action}", json={"by": "ana"})
    answer.raise_for_status()


async def attempted(router: Running, incident: str, attempts: int = 1) -> None:
    """Wait until the first delivery has so many attempts on record."""

    async def recorded() -> bool:
        first = (await deliveries(router, incident))[0]
        is_leased = datetime.fromisoformat(first["due_at"]) >= router.clock.now + timedelta(seconds=LEASE_SECONDS)
        return bool(first["attempts"] >= attempts and first["error"] and not is_leased)

    await until(recorded)


def actions(events: list[dict[str, Any]]) -> list[str]:
    return [one["event_action"] for one in events]


@pytest.mark.parametrize("mode", ["500", "401", "429", "html", "drop"])
async def test_what_can_be_retried_is_retried_until_it_gets_through(mode: str, database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, mode, count=2)
        incident = await opened(router)
        for attempt in (1, 2):
            await attempted(router, incident, attempt)
            router.clock.pass_(seconds=70)
            router.service.worker.poke()
        await until(lambda: is_sent(router, incident))
        [alert] = [one for one in await router.alerts() if one["dedup_key"] == incident]
        assert alert["notifications"] == 1
        [delivery] = (await deliveries(router, incident))[:1]
        assert (delivery["attempts"], delivery["error"]) == (3, None)


async def is_sent(router: Running, incident: str) -> bool:
    return all(one["state"] == "sent" for one in await deliveries(router, incident))


async def test_a_refusal_is_sent_once_more_cut_down_and_then_dead_and_told(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "400", count=2)
        incident = await opened(router)
        events = await router.settled()
        assert "custom_details" in events[0]["payload"]
        assert events[1]["payload"].keys() == {"summary", "source", "severity"}
        story = (await router.http.get(f"/api/v1/incidents/{incident}")).json()
        [delivery] = story["deliveries"]
        assert (delivery["state"], delivery["attempts"]) == ("dead", 2)
        assert delivery["error"]
        assert story["timeline"][-1]["kind"] == "delivery_dead"
        # there is nothing in PagerDuty to resolve
        await acted(router, incident, "resolve")
        assert len(await router.settled()) == 2
        assert [one["state"] for one in await deliveries(router, incident)] == ["dead", "superseded"]


async def test_a_refusal_that_is_taken_when_cut_down_is_sent(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "400", count=1)
        incident = await opened(router)
        await router.settled()
        assert await is_sent(router, incident)


async def test_a_resolve_never_overtakes_its_trigger(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "500", count=1)
        incident = await opened(router)
        await attempted(router, incident)
        await acted(router, incident, "acknowledge")
        router.clock.pass_(seconds=1)
        assert actions(await router.settled()) == ["trigger", "trigger", "acknowledge"]
        await acted(router, incident, "resolve")
        assert actions(await router.settled()) == ["trigger", "trigger", "acknowledge", "resolve"]


async def test_a_trigger_that_certainly_never_got_there_is_superseded_with_its_resolve(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "429", count=1)
        incident = await opened(router)
        await attempted(router, incident)
        await acted(router, incident, "resolve")
        router.clock.pass_(seconds=70)
        assert actions(await router.settled()) == ["trigger"]
        assert await router.alerts() == []
        assert [one["state"] for one in await deliveries(router, incident)] == ["superseded", "superseded"]


async def test_a_trigger_whose_answer_was_lost_is_not_sent_again_when_it_is_over_but_its_resolve_is(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "drop", count=1)
        incident = await opened(router)
        await attempted(router, incident)
        await acted(router, incident, "resolve")
        router.clock.pass_(seconds=70)
        assert actions(await router.settled()) == ["trigger", "resolve"]
        [alert] = await router.alerts()
        assert alert["status"] == "resolved"
        assert [one["state"] for one in await deliveries(router, incident)] == ["superseded", "sent"]


async def test_a_limited_routing_key_waits_and_the_others_go_on(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "429", count=1, routing_key="oncall")
        first = await opened(router, "First", group="1")
        await attempted(router, first)
        await opened(router, "Second", group="2")
        await opened(router, "DatabaseDown", group="db")  # the DBA's key is not limited
        router.service.worker.poke()
        await until(lambda: has_paged(router, "dba"))
        assert {one["routing_key"] for one in await router.alerts()} == {"dba"}
        router.clock.pass_(seconds=70)
        await router.settled()
        assert sorted(one["routing_key"] for one in await router.alerts()) == ["dba", "oncall", "oncall", "oncall"]


async def has_paged(router: Running, target: str) -> bool:
    return any(one["routing_key"] == target for one in await router.alerts())


async def test_a_rotated_routing_key_still_resolves_what_it_triggered(database_url: str, tmp_path: Path) -> None:
    old, new = KEYS["oncall"], KEYS["engineering"]
    async with running(database_url, tmp_path, routing=Routing([Target("oncall", old)], (), "oncall")) as router:
        incident = await opened(router, "NoRunbook")
        await router.settled()
        await router.rotate(Routing([Target("oncall", new, previous_routing_keys=(old,))], (), "oncall"))
        await acted(router, incident, "resolve")
        await router.settled()
        assert [(one["routing_key"], one["status"]) for one in await router.alerts()] == [("oncall", "resolved")]


async def test_no_routing_key_is_ever_in_the_database(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await opened(router)
        await router.settled()
        with router.service.database.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM delivery").all()
        assert rows
        assert not any(key in str(rows) for key in KEYS.values())


@pytest.mark.parametrize(
    ("action", "is_open", "trigger", "expected"),
    [
        ("trigger", True, Trigger("pending", True, None), False),
        ("trigger", False, Trigger("pending", False, None), True),
        # an answer was lost: the resolve takes care of it
        ("trigger", False, Trigger("pending", True, None), True),
        ("acknowledge", True, Trigger("sent", False, None), False),
        # the resolve says it all
        ("acknowledge", False, Trigger("sent", False, None), True),
        ("acknowledge", True, Trigger("dead", False, None), True),
        ("resolve", False, Trigger("sent", False, None), False),
        ("resolve", False, Trigger("superseded", False, None), True),
        ("resolve", False, Trigger("superseded", True, None), False),
        ("resolve", False, Trigger("dead", False, None), True),
        # refused in the end, but an earlier attempt may have got there
        ("resolve", False, Trigger("dead", True, None), False),
    ],
)
def test_what_is_superseded(action: Action, is_open: bool, trigger: Trigger, expected: bool) -> None:
    assert is_superseded(action, trigger, is_open=is_open, is_acknowledged=True) is expected


def test_an_acknowledgement_that_was_taken_back_is_superseded() -> None:
    assert is_superseded("acknowledge", Trigger("sent", False, None), is_open=True, is_acknowledged=False)
