"""What is long over is forgotten, and nothing else is."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from alertrouter.pruning import Pruner
from alertrouter.store import links, prune
from browsing import body, open_one
from serving import Running, running

OF_INCIDENTS = ("incident", "alert", "timeline", "delivery")


async def resolved(router: Running, name: str) -> str:
    one = await open_one(router, name)
    await router.http.post(f"/api/v1/incidents/{one}/resolve")
    await router.settled()
    return one


def rows(router: Running, table: str) -> list[str]:
    column = "id" if table == "incident" else "incident_id"
    with router.service.database.read() as session:
        return sorted({row[0] for row in session.execute(text(f"SELECT {column} FROM {table}"))})


async def test_resolved_incidents_are_forgotten_with_all_that_is_theirs(
    database_url: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(prune, "BATCH", 2)
    async with running(database_url, tmp_path) as router:
        for number in range(5):
            await resolved(router, f"Old{number}")
        still_open = await open_one(router, "StillOpen")
        await router.settled()
        await router.post({"groupKey": "g", "alerts": [{"status": "burning"}, body("Old9")["alerts"][0]]})
        router.clock.pass_(days=40)
        young = await resolved(router, "Young")
        await router.pagerduty.post("/faults", json={"mode": "500", "count": 10_000})
        await router.settled_but_failing()
        router.clock.pass_(days=60)
        await Pruner(router.service.database, router.service.writer, timedelta(days=90)).prune()
        kept = (await router.http.get("/api/v1/incidents?limit=500")).json()["incidents"]
        assert {still_open, young} <= {one["id"] for one in kept}
        assert not [one for one in kept if one["title"].startswith(("Old0", "Old1", "Old2", "Old3", "Old4"))]
        for table in OF_INCIDENTS:
            assert rows(router, table) == sorted(one["id"] for one in kept), table
        assert "burning" not in (await router.http.get("/")).text


async def test_an_incident_that_pagerduty_is_owed_a_resolve_for_stays(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        one = await open_one(router, "Owed")
        await router.settled()
        await router.pagerduty.post("/faults", json={"mode": "500", "count": 10_000})
        await router.http.post(f"/api/v1/incidents/{one}/resolve")
        await router.settled_but_failing()
        router.clock.pass_(days=100)
        pruner = Pruner(router.service.database, router.service.writer, timedelta(days=90))
        await pruner.prune()
        assert rows(router, "incident") == [one]
        await router.pagerduty.delete("/faults")
        await router.settled()
        await pruner.prune()
        assert rows(router, "incident") == []


async def test_what_was_merged_in_pagerduty_is_forgotten_in_time(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        pruner = Pruner(router.service.database, router.service.writer, timedelta(days=90))
        for number in "12":
            await router.service.writer.submit(
                lambda tx, sources: [links.merged(tx, one, "PINTO") for one in sources], f"P{number}"
            )
            router.clock.pass_(days=60)
        await pruner.prune()
        with router.service.database.read() as session:
            assert [row[0] for row in session.execute(text("SELECT pagerduty_id FROM pagerduty_merge"))] == ["P2"]


async def test_unreadable_alerts_webhooks_and_changes_are_forgotten_a_few_at_a_time_too(
    database_url: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(prune, "BATCH", 2)
    async with running(database_url, tmp_path) as router:
        await router.post({"groupKey": "g", "alerts": [{"status": "burning"}] * 7})
        router.clock.pass_(days=100)
        assert len(unreadable(router)) == 7
        wish = prune.Wish(router.clock.now - timedelta(days=90))
        assert await router.service.writer.submit(prune.prune_others, wish)
        assert len(unreadable(router)) == 5
        await Pruner(router.service.database, router.service.writer, timedelta(days=90)).prune()
        assert unreadable(router) == []


def unreadable(router: Running) -> list[int]:
    with router.service.database.read() as session:
        return [row[0] for row in session.execute(text("SELECT id FROM unreadable"))]


async def test_the_command_forgets_at_once_and_says_how_many(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        router.clock.now = router.clock.now.replace(year=2020)
        for name in "abc":
            await resolved(router, name)

        def run(*arguments: str, **env: str) -> tuple[int, str]:
            command = [sys.executable, "-m", "alertrouter.cli", "db", "prune", *arguments]
            given = {"ALERTROUTER_DATABASE_URL": database_url, "PATH": "/usr/bin", **env}
            done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=30, check=False)
            return done.returncode, done.stdout + done.stderr

        assert run("--older-than", "soon")[0] == 1
        assert run(ALERTROUTER_RETENTION="0s")[0] == 1
        assert run() == (0, "3 incidents that were over for more than 90d are forgotten\n")
        assert run() == (0, "0 incidents that were over for more than 90d are forgotten\n")
        assert rows(router, "alert") == []
