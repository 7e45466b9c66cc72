"""Group commit: what waits together is committed together, and nobody suffers for another's fault."""

import asyncio
import random
import socket
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, suppress

import psycopg
import pytest
from store.test_outbox import PLAYBOOK

from alertrouter.actions import Action, act
from alertrouter.feedback import Heard, hear
from alertrouter.incidents import Acknowledged
from alertrouter.pagerduty.webhooks import Webhook
from alertrouter.posts import take
from alertrouter.store import database as database_module
from alertrouter.store import room as room_module
from alertrouter.store import writer as writer_module
from alertrouter.store.database import Database, Transaction, UnavailableError
from alertrouter.store.room import Room
from alertrouter.store.writer import OverloadedError, Writer
from posting import post
from processes import notification


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


async def test_more_than_can_wait_is_refused_at_once_and_what_the_service_itself_writes_is_not(database_url: str) -> None:
    async with writing(database_url) as (writer, _):
        posted = [writer.submit(note, f"{n}", size=1) for n in range(2500)]
        answers = await asyncio.gather(*posted, writer.submit(note, "a record"), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, OverloadedError)]
        assert len(refused) == 500
        assert isinstance(answers[-1], int)
        assert all(isinstance(answer, int) for answer in answers if answer not in refused)


class Waiting:
    """Somebody who waits for an answer at the other end of a connection."""

    def __init__(self) -> None:
        self._theirs, self._ours = socket.socketpair()

    def __call__(self) -> int:
        return self._ours.fileno()

    def hang_up(self) -> None:
        self._theirs.close()

    def close(self) -> None:
        self._theirs.close()
        self._ours.close()


@pytest.fixture
def sender() -> Iterator[Waiting]:
    with closing(Waiting()) as waiting:
        yield waiting


@pytest.fixture
def other() -> Iterator[Waiting]:
    with closing(Waiting()) as waiting:
        yield waiting


async def test_what_nobody_waits_for_any_more_when_its_turn_comes_is_not_written(
    database_url: str, sender: Waiting, other: Waiting
) -> None:
    began, may_end = threading.Event(), threading.Event()

    def slow(_tx: Transaction, items: Sequence[None]) -> Sequence[None]:
        began.set()
        may_end.wait(10)
        return items

    async with writing(database_url) as (writer, database):
        before = asyncio.create_task(writer.submit(slow, None))
        await asyncio.to_thread(began.wait, 10)
        given_up = asyncio.create_task(writer.submit(note, "old news", sender=sender))
        kept = asyncio.create_task(writer.submit(note, "news", sender=other))
        await asyncio.sleep(0)
        sender.hang_up()
        may_end.set()
        await asyncio.gather(before, kept)
        with pytest.raises(UnavailableError, match="nobody waits for it any more"):
            await given_up
        assert written(database) == {"news"}


async def test_what_nobody_waits_for_any_more_when_its_rows_are_locked_is_not_written(
    database_url: str, sender: Waiting, other: Waiting
) -> None:
    def slow(tx: Transaction, texts: Sequence[str]) -> Sequence[int]:
        sender.hang_up()
        tx.check_in_time()
        return note(tx, texts)

    async with writing(database_url) as (writer, database):
        jobs = (writer.submit(slow, "old news", sender=sender), writer.submit(slow, "news", sender=other))
        answers = await asyncio.gather(*jobs, return_exceptions=True)
        assert isinstance(answers[0], UnavailableError)
        assert written(database) == {"news"}


async def test_an_answer_whose_connection_is_closed_here_is_waited_for_by_nobody(database_url: str) -> None:
    async with writing(database_url) as (writer, database):
        with pytest.raises(UnavailableError):
            await writer.submit(note, "old news", sender=lambda: -1)
        assert not written(database)


async def test_room_is_given_back_whatever_becomes_of_a_request(database_url: str) -> None:
    dice = random.Random(7)
    async with writing(database_url) as (writer, _):
        for turn in range(5):
            given = [(f"{turn} {n}", dice.choice((None, 0.0, 4.5))) for n in range(60)] + [("bad", 4.5)]
            tasks = [asyncio.create_task(writer.submit(note, text, size=10, seconds=until)) for text, until in given]
            await asyncio.sleep(dice.choice((0, 0.001)))
            for task in dice.sample(tasks, 20):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await writer.submit(note, "the last", size=1)
        await asyncio.sleep(0)
        assert (writer._room.jobs, writer._room.bytes) == (0, 0)


async def test_what_was_too_late_to_be_written_does_not_make_the_batches_larger(url: str) -> None:
    def note_after_a_lock(tx: Transaction, texts: Sequence[str]) -> list[int]:
        time.sleep(0.5)
        tx.check_in_time()
        return note(tx, texts)

    async with writing(url) as (writer, database):
        before = writer._room.batch
        with pytest.raises(UnavailableError):
            await writer.submit(note_after_a_lock, "late", size=before, seconds=0.3)
        await writer.submit(note, "after")
        assert (written(database), writer._room.batch) == ({"after"}, before)


async def test_what_is_being_read_has_its_room_too(database_url: str) -> None:
    async with writing(database_url) as (writer, _):
        with writer.room_for(1024**3), pytest.raises(OverloadedError):
            await writer.submit(note, "another", size=1)
        assert await writer.submit(note, "another", size=1) == 1


async def test_a_connection_that_the_server_closed_is_replaced(postgres: str, request: pytest.FixtureRequest) -> None:
    async with writing(postgres.replace("/postgres?", "/migrated?")) as (writer, _):
        await writer.submit(_backend, None)
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'migrated'")
        assert await writer.submit(_backend, None)


def _backend(tx: Transaction, items: Sequence[None]) -> list[int]:
    return [tx.cursor.execute("SELECT pg_backend_pid()").fetchone()[0]] * len(items)


async def test_more_bytes_than_there_is_room_for_are_refused_at_once_until_they_are_written(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with writing(database_url) as (writer, _):
        monkeypatch.setattr(writer, "_room", Room(batch=25))
        answers = await asyncio.gather(*(writer.submit(note, f"{n}", size=40) for n in range(4)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [int, int, int, OverloadedError]
        await writer.submit(note, "one that is larger than all the room", size=1000)
        await asyncio.gather(*(writer.submit(note, f"again {n}", size=50) for n in range(2)))


async def test_what_waits_is_committed_in_transactions_of_a_few_megabytes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with writing(database_url) as (writer, _):
        monkeypatch.setattr(room_module, "MOST_BYTES_IN_BATCH", 100)
        monkeypatch.setattr(writer, "_room", Room(batch=100))
        assert await asyncio.gather(*(writer.submit(note, f"{n}", size=50) for n in range(5))) == [2, 2, 2, 2, 1]


async def test_a_request_that_nobody_waits_for_any_more_is_not_written(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_at = iter([0.0])
    monkeypatch.setattr(writer_module, "elapsed", lambda: next(asked_at, 100.0))  # then the process was frozen for a while
    async with writing(url) as (writer, database):
        with pytest.raises(UnavailableError):
            await writer.submit(note, "old news")
        assert written(database) == set()


async def test_a_transaction_that_is_frozen_lets_go_of_its_locks_and_is_done_again(postgres_url: str) -> None:
    async with writing(postgres_url) as (frozen, _), writing(postgres_url) as (other, _):
        await frozen.submit(note, "row")
        locked, has_written = threading.Event(), threading.Event()

        def freeze(tx: Transaction, items: Sequence[None]) -> list[int]:
            tx.cursor.execute("UPDATE section SET line = line + 1")
            locked.set()
            has_written.wait(20)
            return [tx.cursor.execute("SELECT line FROM section").fetchone()[0]] * len(items)

        waiting = asyncio.ensure_future(frozen.submit(freeze, None, seconds=None))
        await asyncio.to_thread(locked.wait, 20)
        await other.submit(_add_ten, None, seconds=None)
        has_written.set()
        assert await waiting == 11


def _add_ten(tx: Transaction, items: Sequence[None]) -> list[None]:
    tx.cursor.execute("UPDATE section SET line = line + 10")
    return [None] * len(items)


async def test_a_transaction_that_thought_for_too_long_is_done_again_with_more_time(postgres_url: str) -> None:
    allowed: list[str] = []

    def think(tx: Transaction, items: Sequence[None]) -> list[None]:
        allowed.append(tx.cursor.execute("SHOW idle_in_transaction_session_timeout").fetchone()[0])
        if len(allowed) == 1:
            tx.cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 50")
            time.sleep(1)
        tx.cursor.execute("SELECT 1")
        return [None] * len(items)

    async with writing(postgres_url) as (writer, _):
        await writer.submit(think, None, seconds=20)
        await writer.submit(think, None)
    assert allowed == ["2s", "1min", "2s"]


async def test_a_commit_that_the_standby_has_not_got_is_no_answer(
    postgres: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "WAIT_SECONDS", 0)  # a statement has a second
    async with writing(postgres_url) as (writer, _):
        await writer.submit(note, "before")
        with psycopg.connect(postgres, autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            admin.execute("SELECT pg_reload_conf()")
            try:
                with pytest.raises(UnavailableError):
                    await note_until_refused(writer)
            finally:
                admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
                admin.execute("SELECT pg_reload_conf()")
        await writer.submit(note, "after", seconds=20)


async def note_until_refused(writer: Writer) -> None:
    """The server takes its time to read its settings again."""
    for number in range(1000):
        await writer.submit(note, f"to be failed over {number}", seconds=2.5)


async def test_what_waited_for_its_rows_for_too_long_is_left_out_and_the_rest_is_done_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_for_rows(tx: Transaction, texts: Sequence[str]) -> list[int]:
        monkeypatch.setattr(writer_module, "elapsed", lambda: 10.0)
        tx.check_in_time()
        return note(tx, texts)

    monkeypatch.setattr(writer_module, "elapsed", lambda: 0.0)
    async with writing(url) as (writer, database):
        waits = (writer.submit(wait_for_rows, "late", seconds=5), writer.submit(wait_for_rows, "rest", seconds=20))
        late, rest = await asyncio.gather(*waits, return_exceptions=True)
        assert (type(late), rest) == (UnavailableError, 1)
        assert written(database) == {"rest"}


async def test_replicas_that_notify_act_and_hear_at_once_never_wait_in_a_circle(postgres_url: str) -> None:
    bodies = [notification(group=f"{number}", instance=f"{number}") for number in range(12)]
    async with writing(postgres_url) as (one, here), writing(postgres_url) as (other, there):
        ids = [(await one.submit(take, post(body, PLAYBOOK, here)))[0] for body in bodies]
        chance = random.Random(1)

        async def anything(writer: Writer, number: int) -> None:
            incident = chance.choice(ids)
            kind = chance.randrange(3)
            if kind == 0:
                await writer.submit(take, post(chance.choice(bodies), PLAYBOOK, here if writer is one else there))
            elif kind == 1:
                await writer.submit(act, Action(incident, Acknowledged("ana")))
            else:
                acknowledged = Webhook("acknowledged", f"P{ids.index(incident) % 5}", "Ana", False)
                await writer.submit(hear, Heard(f"w{number}", acknowledged, (incident,)))

        for rounds in range(15):
            given = [(writer, number) for number, writer in enumerate([one, other] * 30, 60 * rounds)]
            await asyncio.gather(*(anything(writer, number) for writer, number in given))
    assert deadlocks(postgres_url) == 0


def deadlocks(url: str) -> int:
    """How many waits in a circle this database has ended. The server's sessions tell it when they end."""
    with psycopg.connect(url, autocommit=True) as connection:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while connection.execute(others).fetchone() != (0,):
            pass
        [count] = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone() or [
            0
        ]
        return int(count)
