"""Going on from a backup: nobody is paged for what was due before, and everything later works."""

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from alertrouter.clock import Clock
from alertrouter.commands.database import app
from alertrouter.restoring import mark_restored
from alertrouter.routing import Route, Routing, parse_matcher
from alertrouter.store.database import Database
from processes import notification
from serving import TARGETS, HandClock, Running, running, until


def db(database_url: str, *arguments: str) -> tuple[int, str]:
    """`alertrouter db ...`: the exit code and all that it says."""
    done = CliRunner().invoke(app, list(arguments), env={"ALERTROUTER_DATABASE_URL": database_url})
    return done.exit_code, done.output


async def opened(router: Running, name: str = "HighErrorRate", group: str = "g") -> str:
    [incident] = (await router.post(notification(name, group=group))).json()["incidents"]
    return str(incident)


async def story(router: Running, incident: str) -> dict[str, Any]:
    found: dict[str, Any] = (await router.http.get(f"/api/v1/incidents/{incident}")).json()
    return found


def kinds(incident: dict[str, Any]) -> list[str]:
    return [entry["kind"] for entry in incident["timeline"]]


def actions(events: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["event_action"], event["dedup_key"]) for event in events]


def mark(database_url: str, clock: HandClock, *, confirms: bool = False) -> list[str]:
    """The lines that the command lists."""
    database = Database(database_url, Clock(lambda: clock.now))
    with database.transaction() as tx:
        report = mark_restored(tx, confirms=confirms)
    database.close()
    return list(report.lines())


async def failing(router: Running) -> None:
    await router.pagerduty.post("/faults", json={"mode": "500", "count": 10_000})


async def test_a_page_that_waited_is_not_sent_and_its_resolve_is(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await failing(router)
        one = await opened(router)
        await router.settled_but_failing()
        clock = router.clock
    clock.pass_(hours=8)
    [page, step] = mark(database_url, clock)
    assert page.startswith("trigger to oncall, owed since 2026-11-23 03:00:00 UTC: ")
    assert step.startswith("step 1 (engineering): ")
    async with running(database_url, tmp_path, clock=clock) as router:
        assert await router.settled() == []
        found = await story(router, one)
        assert (found["status"], found["escalation"]["due_at"]) == ("triggered", None)
        assert kinds(found)[-2:] == ["delivery_discarded", "restored"]
        await router.http.post(f"/api/v1/incidents/{one}/resolve")
        assert actions(await router.settled()) == [("resolve", one)]  # whoever went on may have triggered it
        again = await opened(router)
        assert actions(await router.settled())[1:] == []  # a person has closed it a moment ago: absorbed
        clock.pass_(minutes=2)
        again = await opened(router)
        assert actions(await router.settled())[1:] == [("trigger", again)]


async def test_steps_that_come_later_are_taken_in_time(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        one = await opened(router)
        assert actions(await router.settled()) == [("trigger", one)]
        clock = router.clock
    clock.pass_(minutes=10)
    assert mark(database_url, clock) == []
    async with running(database_url, tmp_path, clock=clock) as router:
        assert await router.settled() == []
        clock.pass_(minutes=5)
        assert actions(await router.settled()) == [("trigger", f"{one}/e1")]


async def test_a_hold_that_is_over_closes_its_incident_and_pagerduty_hears_of_it(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        one = await opened(router)
        await router.settled()
        await router.post(notification(firing=False))
        clock = router.clock
    clock.pass_(hours=1)
    [line] = mark(database_url, clock)
    assert line.startswith("the end of a held resolve: ")
    async with running(database_url, tmp_path, clock=clock) as router:
        assert actions(await router.settled()) == [("resolve", one)]
        assert (await story(router, one))["status"] == "resolved"


async def test_a_resolve_that_was_owed_is_still_sent(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        one = await opened(router)
        await router.settled()
        await failing(router)
        await router.http.post(f"/api/v1/incidents/{one}/resolve")
        await router.settled_but_failing()
        clock = router.clock
    clock.pass_(hours=1)
    assert mark(database_url, clock) == []
    async with running(database_url, tmp_path, clock=clock) as router:
        assert actions(await router.settled()) == [("resolve", one)]


async def test_a_heartbeat_gets_its_interval_though_it_had_it_before(database_url: str, tmp_path: Path) -> None:
    route = Route((parse_matcher('alertname="Watchdog"'),), "oncall", heartbeat=timedelta(minutes=10))
    routing = Routing(TARGETS, (route,), "oncall")
    async with running(database_url, tmp_path, routing=routing) as router:
        await router.post(notification("Watchdog"))
        clock = router.clock
    clock.pass_(hours=1)
    async with running(database_url, tmp_path, routing=routing, clock=clock) as router:  # a start that gives it its interval
        assert await router.settled() == []
    clock.pass_(hours=1)
    assert mark(database_url, clock) == ["heartbeats that are awaited anew: 1"]
    async with running(database_url, tmp_path, routing=routing, clock=clock) as router:
        await until(lambda: asyncio.sleep(0, router.service.worker.last_cycle.get("timers")))
        assert await router.settled() == []
        clock.pass_(minutes=11)
        router.service.worker.poke()
        await until(router.events)
        assert [event["event_action"] for event in await router.settled()] == ["trigger"]


async def test_a_page_that_was_refused_goes_no_other_way_later(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await router.pagerduty.post("/faults", json={"mode": "400", "count": 2})
        one = await opened(router)
        await router.settled()
        assert [row["state"] for row in (await story(router, one))["deliveries"]] == ["dead"]
        clock = router.clock
    clock.pass_(minutes=1)
    [line] = mark(database_url, clock)
    assert line.startswith("trigger to oncall, was refused: ")
    async with running(database_url, tmp_path, clock=clock) as router:
        assert [row["state"] for row in (await story(router, one))["deliveries"]] == ["superseded"]


async def test_pages_whose_confirmation_went_to_others_are_not_warned_of(database_url: str, tmp_path: Path) -> None:
    env = {"ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS": "s" * 32}
    async with running(database_url, tmp_path, env) as router:
        one = await opened(router)
        await router.settled()
        clock = router.clock
    clock.pass_(minutes=5)
    mark(database_url, clock, confirms=True)
    async with running(database_url, tmp_path, env, clock=clock) as router:
        await router.service.reconciler.confirm(timedelta(minutes=2))
        assert "unconfirmed" not in kinds(await story(router, one))


async def test_a_backup_taken_while_serving_is_served_from_and_pages_nobody(url: str, tmp_path: Path) -> None:
    live, copy, clock = Path(url.removeprefix("sqlite:///")), tmp_path / "copy.db", HandClock()
    clock.now = datetime.now(UTC) - timedelta(hours=8)  # the command goes by the machine's clock
    async with running(url, tmp_path, clock=clock) as router:
        await failing(router)
        owed = await opened(router, group="owed")
        assert db(url, "backup", str(copy))[0] == 0
        assert db(url, "backup", str(copy)) == (1, f"alertrouter: {copy} is there already, and is not overwritten\n")
        await opened(router, group="after the backup")
        assert db(url, "restore", str(copy), "--yes") == (1, f"alertrouter: {live} is in use: stop alertrouter first\n")
    code, said = db(url, "restore", str(copy))
    assert (code, "nothing is changed: say --yes" in said, "trigger to oncall" in said) == (1, True, True)
    code, said = db(url, "restore", str(copy), "--yes")
    assert (code, "step 1 (engineering)" in said, "1 incidents are open" in said) == (0, True, True)
    clock.now = datetime.now(UTC)
    async with running(url, tmp_path, clock=clock) as router:
        assert await router.settled() == []
        assert [one["id"] for one in (await router.http.get("/api/v1/incidents")).json()["incidents"]] == [owed]
        fresh = await opened(router, group="fresh")
        assert actions(await router.settled()) == [("trigger", fresh)]
    [aside] = tmp_path.glob("one.db.before-*Z")
    with closing(sqlite3.connect(aside)) as before:
        assert before.execute("SELECT count(*) FROM incident").fetchone() == (2,)


def rows(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as database:
        return list(database.iterdump())


def test_what_is_no_backup_takes_the_place_of_nothing(url: str, tmp_path: Path) -> None:
    live = Path(url.removeprefix("sqlite:///"))
    before = rows(live)
    foreign, torn = tmp_path / "foreign.db", tmp_path / "torn.db"
    with closing(sqlite3.connect(foreign)) as other:
        other.execute("CREATE TABLE a (b)")
    torn.write_bytes(live.read_bytes()[:100_000])
    for file, why in (
        (foreign, "is no database of alertrouter"),
        (torn, "malformed"),
        (tmp_path / "none.db", "there is no file"),
    ):
        code, said = db(url, "restore", str(file), "--yes")
        assert (code, why in said, said.count("\n")) == (1, True, 1), said
    assert rows(live) == before
    assert [path.name for path in tmp_path.glob("one.db*")] == ["one.db"]


def test_a_damaged_database_is_put_aside(url: str, tmp_path: Path) -> None:
    live = Path(url.removeprefix("sqlite:///"))
    copy = tmp_path / "copy.db"
    assert db(url, "backup", str(copy))[0] == 0
    live.write_bytes(b"this is no database at all" * 100)
    code, said = db(url, "restore", str(copy), "--yes")
    assert (code, "nothing of it was due before now" in said) == (0, True)
    assert db(url, "backup", str(tmp_path / "other.db"))[0] == 0


def test_what_root_restores_belongs_to_whom_it_belonged(url: str, tmp_path: Path) -> None:
    live, copy = Path(url.removeprefix("sqlite:///")), tmp_path / "copy.db"
    assert db(url, "backup", str(copy))[0] == 0
    others = (65532, 65532) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(live, *others)
    assert db(url, "restore", str(copy), "--yes")[0] == 0
    assert (live.stat().st_uid, live.stat().st_gid) == others
    os.chown(live.parent, *others)
    live.unlink()
    assert db(url, "restore", str(copy), "--yes")[0] == 0
    assert (live.stat().st_uid, live.stat().st_gid) == others


def test_postgres_has_its_own_tools_and_its_restored_database_is_marked(postgres_url: str) -> None:
    for arguments, code, why in (
        (["backup", "x.db"], 1, "pg_dump"),
        (["restore", "x.db"], 1, "pg_restore"),
        (["restore", "--yes"], 0, "nothing of it was due before now"),
    ):
        found, said = db(postgres_url, *arguments)
        assert (found, why in said) == (code, True), said


async def test_a_postgres_database_that_a_service_is_at_work_in_is_left_alone(postgres_url: str, tmp_path: Path) -> None:
    async with running(postgres_url, tmp_path) as router:
        await opened(router)
        code, said = await asyncio.to_thread(db, postgres_url, "restore", "--yes")
    assert (code, "stop alertrouter first" in said) == (1, True)
