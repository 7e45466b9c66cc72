"""Replicas that are held up, and what they still hold when they go on: real processes, real PostgreSQL."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from processes import Router, Sandbox, ending, notification, wait_for

SLOW_CLAIMS = """
CREATE FUNCTION wait_a_little() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slow_claim AFTER UPDATE ON delivery DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.attempts > OLD.attempts) EXECUTE FUNCTION wait_a_little()
"""
"""The commit of a claim takes a while, so that a replica can be frozen before it knows that it holds a lease."""


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    running = Sandbox(tmp_path)
    with ending(running):
        yield running


def replica(folder: Path, sandbox: Sandbox, url: str) -> Router:
    folder.mkdir()
    return Router(folder, sandbox.url, url, ALERTROUTER_RESOLVE_HOLD="0s")


def told(router: Router) -> list[str]:
    """What a replica said in its log about events for PagerDuty."""
    lines = [json.loads(line) for line in router.process.log.read_text().splitlines()]
    return [line.get("why", line["message"]) for line in lines if "dedup_key" in line]


def test_a_replica_that_was_frozen_for_longer_than_its_lease_does_not_send_after_it_woke(
    sandbox: Sandbox, postgres_url: str, tmp_path: Path
) -> None:
    frozen = replica(tmp_path / "frozen", sandbox, postgres_url)
    with ending(frozen), psycopg.connect(postgres_url, autocommit=True) as database:
        database.execute(SLOW_CLAIMS)
        [incident] = frozen.post(notification("NoRunbook")).json()["incidents"]
        waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        wait_for("the claim to be committed", lambda: database.execute(waits).fetchall())
        frozen.process.popen.send_signal(signal.SIGSTOP)
        wait_for("the claim", lambda: database.execute("SELECT 1 FROM delivery WHERE attempts = 1").fetchall())
        database.execute("DROP TRIGGER slow_claim ON delivery")
        database.execute("UPDATE delivery SET due_at = 0")  # the lease is over

        other = replica(tmp_path / "other", sandbox, postgres_url)
        with ending(other):
            wait_for("the page", sandbox.alerts)
            other.post(notification("NoRunbook", firing=False))
            wait_for("its end", lambda: sandbox.alerts()[0]["status"] == "resolved")

            frozen.process.popen.send_signal(signal.SIGCONT)
            wait_for("the frozen replica to go on", lambda: told(frozen))
            assert told(frozen) == ["the lease was over before it was sent"]
            assert sandbox.actions() == [("trigger", incident), ("resolve", incident)]
            [delivery, _] = other.incident(incident)["deliveries"]
            assert (delivery["state"], delivery["attempts"]) == ("sent", 2)


def test_what_waited_until_its_sender_gave_up_does_not_open_again_what_another_replica_was_told_the_end_of(
    sandbox: Sandbox, postgres_url: str, tmp_path: Path
) -> None:
    slow, other = replica(tmp_path / "slow", sandbox, postgres_url), replica(tmp_path / "other", sandbox, postgres_url)
    with ending(slow), ending(other), psycopg.connect(postgres_url) as locks, ThreadPoolExecutor(1) as beside:
        [held], [ended] = (slow.post(about(group)).json()["incidents"] for group in ("held", "ended"))
        locks.execute("SELECT 1 FROM incident WHERE id = %s FOR UPDATE", [held])
        stuck = beside.submit(slow.post, about("held"))
        waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        wait_for("the writer to wait", lambda: locks.execute(waits).fetchall())
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{slow.url}/webhooks/alertmanager", json=about("ended"), timeout=0.5)
        assert other.post(about("ended", firing=False)).json() == {"incidents": [ended]}
        locks.rollback()
        assert stuck.result().is_success
        [after] = slow.post(about("after")).json()["incidents"]
        found = {one["id"]: one["status"] for one in other.incidents()}
        assert found == {held: "triggered", ended: "resolved", after: "triggered"}


def about(group: str, *, firing: bool = True) -> dict[str, Any]:
    return notification("NoRunbook", group=group, instance=group, firing=firing)
