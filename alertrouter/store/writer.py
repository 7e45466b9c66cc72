"""Group commit: one writer takes everything that waits and commits it in ONE transaction.

An idle service has batches of one and no added latency; a busy one pays one fsync for dozens of requests. Everything that is
written goes through here (notifications, people's actions, timers, leases and records), so that SQLite has one writer.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog

from alertrouter.clock import elapsed
from alertrouter.senders import Sender, have_hung_up
from alertrouter.store.database import Database, Transaction, UnavailableError, is_conflict, was_idle_for_too_long
from alertrouter.store.room import Room

Item = TypeVar("Item")
Result = TypeVar("Result")
AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Sequence[Any]])
Handler = Callable[[Transaction, Sequence[Item]], Sequence[Result | Exception]]
"""Does the work of many items in one transaction. An exception in the results is that one item's answer."""

ANSWER_SECONDS = 4.5
_MOST_IN_BATCH = 256
_TRIES = 5
_TURNS = 3
"""Of the event loop, before a batch is taken: whoever the last commit answered may have asked again by then, and shares this one.
Otherwise they fall into two halves that wait for each other's commit.
"""
_anywhere: set[Callable[..., Sequence[Any]]] = set()
_log = structlog.get_logger()


def locks_no_incident(handler: AnyHandler) -> AnyHandler:
    """Mark a handler that may share a transaction with any other.

    Of the others, each locks incidents in the order of their ids. Two of them in one transaction would lock in two rounds, and
    wait for another replica's in a circle.
    """
    _anywhere.add(handler)
    return handler


class OverloadedError(Exception):
    """More arrives than can be committed; try again."""


@dataclass(slots=True)
class _Job:
    handler: Callable[[Transaction, Sequence[Any]], Sequence[Any]]
    item: Any
    answer: asyncio.Future[Any]
    size: int
    until: float
    sender: Sender | None

    def give_up(self) -> None:
        """Tell the one who waits that it took too long."""
        if not self.answer.done():
            self.answer.set_exception(UnavailableError("the database did not answer in time"))


class Writer:
    """The one writer of a process. `on_commit` is called in the event loop after each commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.on_commit: Callable[[Transaction], None] = lambda _: None
        self._waiting: deque[_Job] = deque()
        self._room = Room()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")

    @contextmanager
    def room_for(self, size: int) -> Iterator[None]:
        """Room for a request of so many bytes while it is read. Raises OverloadedError where it would wait for too long."""
        self.check_room(size)
        self._room.enter(size)
        try:
            yield
        finally:
            self._room.leave(size)

    async def submit(
        self,
        handler: Handler[Item, Result],
        item: Item,
        *,
        seconds: float | None = ANSWER_SECONDS,
        size: int = 0,
        sender: Sender | None = None,
    ) -> Result:
        """The result for `item`, after the commit that holds it. `size` is how many bytes it was posted as: under overload it is
        refused for them. If `sender` has hung up when it is to be written, it is not.

        Raises UnavailableError or OverloadedError within 5 s when it could not be committed, and the item's own exception. With
        `seconds` None there is no limit: what is then committed is never lost on the one who asked.
        """
        self.check_room(size)
        loop = asyncio.get_running_loop()
        until = math.inf if seconds is None else elapsed() + seconds
        job = _Job(handler, item, loop.create_future(), size, until, sender)
        self._waiting.append(job)
        self._room.enter(size)
        self._arrived.set()
        end = None if seconds is None else loop.call_later(seconds, job.give_up)
        try:
            result: Result = await job.answer
            return result
        finally:
            if end is not None:
                end.cancel()

    async def run(self) -> None:
        """Write until cancelled; what is being written then is finished first."""
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                batch = self._take()
                if not batch:  # nobody waits any more
                    break
                written = asyncio.ensure_future(loop.run_in_executor(self._thread, self._write, batch))
                try:
                    results = await asyncio.shield(written)
                except asyncio.CancelledError:
                    self._answer(batch, await written)
                    raise
                self._answer(batch, results)
                for job in batch:
                    self._room.leave(job.size)

    def close(self) -> None:
        """Wait for the thread to end."""
        self._thread.shutdown()

    def check_room(self, size: int) -> None:
        """Raise OverloadedError where a request of so many bytes would wait for too long."""
        if not self._room.has(size):
            raise OverloadedError("too much is waiting for the database")

    def _take(self) -> list[_Job]:
        """What is written together: the first that waits, and what may share its transaction."""
        batch: list[_Job] = []
        left: list[_Job] = []
        size = 0
        handler = None
        while self._waiting and len(batch) < _MOST_IN_BATCH and size < self._room.batch:
            job = self._waiting.popleft()
            locks = job.handler not in _anywhere
            if job.answer.done():
                self._room.leave(job.size)
            elif locks and handler not in {None, job.handler}:
                left.append(job)
            else:
                handler = job.handler if locks else handler
                batch.append(job)
                size += job.size
        self._waiting.extendleft(reversed(left))
        return batch

    def _answer(self, batch: list[_Job], written: tuple[list[Any], list[Transaction]]) -> None:
        results, transactions = written
        for job, result in zip(batch, results, strict=True):
            if job.answer.done():
                continue
            if isinstance(result, Exception):
                job.answer.set_exception(result)
            else:
                job.answer.set_result(result)
        if len(transactions) == 1:
            done = (job.size for job, result in zip(batch, results, strict=True) if not isinstance(result, Exception))
            self._room.learn(sum(done), transactions[0].seconds)
        for transaction in transactions:
            callbacks: list[Callable[[], None]] = [*transaction.after_commit, partial(self.on_commit, transaction)]
            for callback in callbacks:
                try:
                    callback()
                except Exception as error:  # noqa: BLE001 - it is committed; what is only told of it must not end the writing
                    _log.exception("what follows a commit failed", error=type(error).__name__)

    def _write(self, batch: list[_Job]) -> tuple[list[Any], list[Transaction]]:
        """The results of a batch, in its order, and the transactions that were committed. Runs in the writer's thread."""
        try:
            return self._write_together(batch)
        except UnavailableError as error:
            return [error] * len(batch), []
        except Exception as error:  # noqa: BLE001 - whatever one request did wrong, it must hurt nobody else
            if len(batch) == 1:
                _log.exception("a request cannot be written", error=type(error).__name__)
                return [error], []
            alone = [self._write([job]) for job in batch]
            return [results[0] for results, _ in alone], [tx for _, transactions in alone for tx in transactions]

    def _write_together(self, batch: list[_Job]) -> tuple[list[Any], list[Transaction]]:
        """One transaction; again, when another replica got in between, and with more time, when it thought for too long."""
        is_slow = False
        for attempt in range(1, _TRIES + 1):
            started = time.perf_counter()
            try:
                with self._database.transaction() as tx:
                    if is_slow:
                        tx.take_long()
                    results = _handle(tx, batch)
            except Exception as error:
                is_slow = is_slow or was_idle_for_too_long(error)
                if not is_conflict(error) or attempt == _TRIES:
                    raise
            else:
                tx.size, tx.seconds = len(batch), time.perf_counter() - started
                return results, [tx]
        raise AssertionError("unreachable")


def _handle(tx: Transaction, batch: list[_Job]) -> list[Any]:
    positions: dict[Any, list[int]] = {}
    results: list[Any] = [UnavailableError("nobody waits for it any more")] * len(batch)
    for position, (job, is_wanted) in enumerate(zip(batch, _wanted(batch), strict=True)):
        if is_wanted:
            positions.setdefault(job.handler, []).append(position)
    wanted = [batch[place] for places in positions.values() for place in places]
    tx.is_too_late = lambda: not all(_wanted(wanted))
    for handler, places in positions.items():
        for place, result in zip(places, handler(tx, [batch[place].item for place in places]), strict=True):
            results[place] = result
    return results


def _wanted(jobs: Sequence[_Job]) -> list[bool]:
    """For each whether somebody waits for it: it may be old news if not, as whoever gave up has asked another replica since."""
    now = elapsed()
    return [now <= job.until and not gone for job, gone in zip(jobs, have_hung_up([job.sender for job in jobs]), strict=True)]
