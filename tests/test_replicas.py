"""Two replicas on one PostgreSQL take the same notifications at the same time: nothing is opened twice, nothing is lost."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg

from processes import notification
from serving import running

GROUPS = 10
ROUNDS = 20


async def test_two_replicas_open_each_incident_once_and_count_every_notification(postgres: str, tmp_path: Path) -> None:
    name = "replicas"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
        url = postgres.replace("/postgres?", f"/{name}?")
        async with AsyncExitStack() as stack:
            folders = [tmp_path / "a", tmp_path / "b"]
            for folder in folders:
                folder.mkdir()
            replicas = [await stack.enter_async_context(running(url, folder)) for folder in folders]
            bodies = [notification(group=f"{n % GROUPS}", instance=f"{n % 3}") for n in range(GROUPS * ROUNDS)]
            answers = await asyncio.gather(*(one.post(body) for body in bodies for one in replicas))
            assert {answer.status_code for answer in answers} == {200}
            incidents = (await replicas[0].http.get("/api/v1/incidents")).json()["incidents"]
            assert len(incidents) == GROUPS
            assert sum(one["notifications"] for one in incidents) == GROUPS * ROUNDS * 2
            events = [one for replica in replicas for one in await replica.settled()]
            assert sorted(one["dedup_key"] for one in events) == sorted(one["id"] for one in incidents)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
