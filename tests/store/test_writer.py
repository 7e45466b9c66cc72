"""Group commit: what waits together is committed together, and nobody suffers for another's fault."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from alertrouter.store.database import Database, Transaction, UnavailableError
from alertrouter.store.writer import OverloadedError, Writer


@asynccontextmanager
async def writing(url: str) -> AsyncIterator[tuple[Writer, Database]]:
    database = Database(url)
    writer = Writer(database)
    task = asyncio.create_task(writer.run())
    try:
        yield writer, database
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        writer.close()
        database.close()


def note(tx: Transaction, texts: Sequence[str]) -> list[int]:
    """Write each text as a row; the answer is how many came in the same transaction."""
    for text in texts:
        if text == "bad":
            raise ValueError("this one cannot be written")
        values = (text, text, text, 0, "", "")
        sql = "INSERT INTO section (revision, title, path, line, anchor, text) VALUES (?, ?, ?, ?, ?, ?)"
        tx.cursor.execute(sql.replace("?", "%s") if tx.database.is_postgres else sql, values)
    return [len(texts)] * len(texts)


def written(database: Database) -> set[str]:
    with database.engine.connect() as connection:
        return {row[0] for row in connection.exec_driver_sql("SELECT revision FROM section")}


async def test_what_waits_together_is_committed_together(database_url: str) -> None:
    async with writing(database_url) as (writer, database):
        together = await asyncio.gather(*(writer.submit(note, f"{number}") for number in range(50)))
        assert max(together) > 1
        assert written(database) == {f"{number}" for number in range(50)}


async def test_an_answer_comes_after_the_commit(database_url: str) -> None:
    async with writing(database_url) as (writer, database):
        await writer.submit(note, "durable")
        assert written(database) == {"durable"}


async def test_a_request_that_cannot_be_written_hurts_nobody_else(database_url: str) -> None:
    async with writing(database_url) as (writer, database):
        answers = await asyncio.gather(*(writer.submit(note, one) for one in ("a", "bad", "b")), return_exceptions=True)
        assert [type(answer) for answer in answers] == [int, ValueError, int]
        assert written(database) == {"a", "b"}


async def test_a_database_that_is_locked_answers_everybody_within_five_seconds_and_recovers(tmp_path, sqlite_template) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "locked.db"
    path.write_bytes(sqlite_template.read_bytes())
    async with writing(f"sqlite:///{path}") as (writer, database):
        await writer.submit(note, "before")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        started = asyncio.get_running_loop().time()
        answers = await asyncio.gather(
            *(writer.submit(note, f"{number}") for number in range(3)), _later(writer, 1.0), return_exceptions=True
        )
        assert asyncio.get_running_loop().time() - started < 6.0
        assert [type(answer) for answer in answers] == [UnavailableError] * 4
        other.execute("ROLLBACK")
        other.close()
        await writer.submit(note, "after")
        assert written(database) >= {"before", "after"}


async def _later(writer: Writer, seconds: float) -> int:
    """A request that arrives while the writer already waits for the lock: its five seconds are its own."""
    await asyncio.sleep(seconds)
    started = asyncio.get_running_loop().time()
    try:
        return await writer.submit(note, "later")
    finally:
        assert asyncio.get_running_loop().time() - started < 5.0


async def test_more_than_can_wait_is_refused_at_once(database_url: str) -> None:
    async with writing(database_url) as (writer, _):
        answers = await asyncio.gather(*(writer.submit(note, f"{n}") for n in range(2500)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, OverloadedError)]
        assert len(refused) == 500
        assert all(isinstance(answer, int) for answer in answers if answer not in refused)


async def test_a_connection_that_the_server_closed_is_replaced(postgres: str, request: pytest.FixtureRequest) -> None:
    import psycopg

    async with writing(postgres.replace("/postgres?", "/migrated?")) as (writer, _):
        await writer.submit(_backend, None)
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'migrated'")
        assert await writer.submit(_backend, None)


def _backend(tx: Transaction, items: Sequence[None]) -> list[int]:
    return [tx.cursor.execute("SELECT pg_backend_pid()").fetchone()[0]] * len(items)
