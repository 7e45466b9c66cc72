"""What once cost a page, or could have: each of these is a fault that was found by attacking the service."""

import asyncio
import os
import random
import string
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from store.test_outbox import PLAYBOOK

from alertrouter.clock import Clock
from alertrouter.moments import rfc3339
from alertrouter.pagerduty.outcomes import Limited, classify
from alertrouter.posts import take
from alertrouter.routing import Route, Routing, Target
from alertrouter.store import incidents, outbox
from alertrouter.store.database import ConflictError, Database, Transaction
from posting import post
from processes import KEYS, Router, Sandbox, ending, notification, wait_for
from serving import TARGETS, HandClock, Running, running, until


async def opened(router: Running, *args: Any, **given: Any) -> str:
    [incident] = (await router.post(notification(*args, **given))).json()["incidents"]
    return str(incident)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_log_that_cannot_be_written_costs_no_page(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with ending(sandbox):
        router = Router(tmp_path, sandbox.url, f"sqlite:///{tmp_path / 'a.db'}")
        router.process.kill()
        with Path("/dev/full").open("wb") as full:
            command = [sys.executable, "-m", "alertrouter.cli", "serve"]
            router.process.popen = subprocess.Popen(command, env={**os.environ, **router._env}, stdout=full, stderr=full)
        with ending(router):
            wait_for("it to be ready", lambda: httpx.get(f"{router.url}/readyz").is_success)
            assert router.post(notification()).status_code == 200
            assert router.post(notification(firing=False)).status_code == 200
            wait_for("the page and its resolve", lambda: len(sandbox.events()) == 2)
            assert [one["state"] for one in httpx.get(f"{router.url}/api/v1/deliveries").json()["deliveries"]] == ["sent", "sent"]


async def test_a_very_long_alert_name_is_taken(database_url: str, tmp_path: Path) -> None:
    name = "".join(random.Random(1).choices(string.ascii_letters, k=4000))
    async with running(database_url, tmp_path) as router:
        incident = await opened(router, name)
        found = (await router.http.get("/api/v1/incidents", params={"alertname": name})).json()["incidents"]
        assert [one["id"] for one in found] == [incident]


@pytest.mark.parametrize("extra", [{"truncatedAlerts": 2**63}, {"receiver": None, "externalURL": None, "truncatedAlerts": None}])
async def test_odd_fields_of_the_envelope_cost_no_page(database_url: str, tmp_path: Path, extra: dict[str, Any]) -> None:
    async with running(database_url, tmp_path) as router:
        assert (await router.post(notification() | extra)).status_code == 200
        assert len(await router.settled()) == 1


async def test_a_limited_routing_key_is_not_asked_about_again_and_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = 0
    claim = outbox.claim

    def counted(tx: Transaction, wishes: Sequence[outbox.Claim]) -> list[outbox.Claimed]:
        nonlocal claims
        claims += 1
        return claim(tx, wishes)

    monkeypatch.setattr(outbox, "claim", counted)
    async with running(database_url, tmp_path) as router:
        await router.pagerduty.post("/faults", json={"mode": "429", "count": 1})
        await opened(router, "First", group="1")
        await asyncio.sleep(0.3)
        claims = 0
        await opened(router, "Second", group="2")
        await asyncio.sleep(0.4)
    assert claims < 10


def test_a_wait_that_pagerduty_asks_for_is_a_minute_at_most() -> None:
    assert classify(429, b"", "86400") == classify(429, b"", "9" * 5000) == Limited(60.0)


async def test_a_server_that_became_a_standby_is_a_503_and_the_page_goes_out_once(postgres: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("CREATE DATABASE standby TEMPLATE migrated")

        def writable(yes: str) -> None:
            admin.execute(f"ALTER DATABASE standby SET default_transaction_read_only = {yes}")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'standby'")

        async with running(postgres.replace("/postgres?", "/standby?"), tmp_path) as router:
            await router.pagerduty.post("/faults", json={"mode": "slow", "count": 1, "seconds": 1})
            await opened(router)
            await asyncio.sleep(0.4)
            writable("on")
            assert (await router.post(notification("Other"))).status_code == 503
            await asyncio.sleep(1.5)
            writable("off")

            async def is_recorded() -> bool:
                found = (await router.http.get("/api/v1/deliveries?state=sent")).json()
                return bool(found.get("deliveries"))

            await until(is_recorded)
            router.clock.pass_(seconds=outbox.LEASE_SECONDS + 1)
            assert len(await router.settled()) == 1


async def test_a_step_to_a_target_that_is_gone_pages_the_incidents_own(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        incident = await opened(router)
        await router.settled()
        await router.rotate(Routing([TARGETS[0], Target("platform", KEYS["engineering"])], (), "oncall"))
        router.clock.pass_(minutes=15)
        events = await router.settled()
        assert [one["dedup_key"] for one in events] == [incident, f"{incident}/e1"]
        assert {alert["routing_key"] for alert in await router.alerts()} == {"oncall"}
        story = (await router.http.get(f"/api/v1/incidents/{incident}")).json()["timeline"]
        assert "There is no target engineering any more: oncall is paged" in [entry["text"] for entry in story]


async def test_an_immediate_step_is_taken_again_when_a_new_alert_joins_an_acknowledged_incident(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as router:
        incident = await opened(router, "DatabaseDown")
        await router.settled()
        await router.http.post(f"/api/v1/incidents/{incident}/acknowledge", json={"by": "ana"})
        router.clock.pass_(hours=2)
        await opened(router, "DatabaseDown", instance="b")
        triggers = [one["dedup_key"] for one in await router.settled() if one["event_action"] == "trigger"]
        assert sorted(triggers) == [incident, f"{incident}/2", f"{incident}/e1", f"{incident}/e1.2"]


async def test_a_firing_after_the_hold_is_routed_as_the_routing_file_says_now(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        before = await opened(router, "NoRunbook")
        await router.post(notification("NoRunbook", firing=False))
        await router.settled()
        await router.rotate(Routing(TARGETS, (Route((), "dba"),), "dba"))
        router.clock.pass_(seconds=61)
        after = await opened(router, "NoRunbook")
        assert (await router.http.get(f"/api/v1/incidents/{after}")).json()["target"] == "dba"
        await router.settled()
        assert (await router.http.get(f"/api/v1/incidents/{before}")).json()["status"] == "resolved"


async def test_a_claim_that_takes_long_loses_no_page(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alertrouter.store.writer.ANSWER_SECONDS", 0.2)
    claim = outbox.claim

    def slow(tx: Transaction, wishes: Sequence[outbox.Claim]) -> list[outbox.Claimed]:
        claimed = claim(tx, wishes)
        if claimed[0].jobs:
            threading.Event().wait(0.5)
        return claimed

    monkeypatch.setattr(outbox, "claim", slow)
    async with running(url, tmp_path) as router:
        await opened(router)
        assert len(await router.settled()) == 1


def test_a_resolve_that_waits_for_another_replicas_opening_is_not_dropped(postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("CREATE DATABASE race TEMPLATE migrated")
    clock = HandClock()
    here, there = (Database(postgres.replace("/postgres?", "/race?"), Clock(lambda: clock.now)) for _ in "ab")

    def notify(database: Database, body: dict[str, Any]) -> list[list[str]]:
        with database.transaction() as tx:
            return take(tx, [post(body, PLAYBOOK)])

    notify(here, notification("A"))
    notify(here, notification("A", firing=False))
    clock.pass_(seconds=61)
    both = notification("A")
    both["alerts"] += notification("A", instance="second")["alerts"]
    problems: list[Exception] = []

    def resolve() -> None:
        try:
            notify(there, notification("A", firing=False))
        except ConflictError as problem:
            problems.append(problem)

    late = threading.Thread(target=resolve)
    with here.transaction() as tx:
        [[incident]] = take(tx, [post(both, PLAYBOOK)])
        late.start()
        threading.Event().wait(0.5)
    late.join(10)
    assert len(problems) == 1  # the writer does it again
    notify(there, notification("A", firing=False))
    with here.transaction() as tx:
        [state] = incidents.load(tx, [incident])
    assert sorted(member.firing for member in state.members.values()) == [False, True]
    here.close()
    there.close()


@pytest.mark.parametrize("query", ["deliveries?cursor=", "incidents?limit=", "deliveries?limit="])
async def test_numbers_without_end_are_a_400(url: str, tmp_path: Path, query: str) -> None:
    async with running(url, tmp_path) as router:
        assert (await router.http.get(f"/api/v1/{query}{'9' * 5000}")).status_code == 400


@pytest.mark.parametrize("seconds", [-60, 60])
async def test_a_sender_whose_clock_is_a_minute_off_is_escalated_and_resolved_on_time(
    url: str, tmp_path: Path, seconds: int
) -> None:
    async with running(url, tmp_path) as router:

        def theirs() -> str:
            return rfc3339(router.clock.now + timedelta(seconds=seconds))

        body = notification("NoRunbook")
        [alert] = body["alerts"]
        alert["startsAt"] = theirs()
        [one] = (await router.post(body)).json()["incidents"]
        await router.settled()
        router.clock.pass_(minutes=14, seconds=59)
        assert len(await router.settled()) == 1
        router.clock.pass_(seconds=1)
        assert [event["dedup_key"] for event in await router.settled()] == [one, f"{one}/e1"]
        await router.post(body | {"alerts": [alert | {"status": "resolved", "endsAt": theirs()}]})
        router.clock.pass_(seconds=59)
        assert [event["event_action"] for event in await router.settled()] == ["trigger", "trigger"]
        router.clock.pass_(seconds=1)
        assert [event["event_action"] for event in await router.settled()][2:] == ["resolve", "resolve"]
