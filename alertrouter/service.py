"""The service: its parts, started and stopped in order."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import replace

import structlog
from sqlalchemy.exc import DBAPIError

from alertrouter import backlog, telemetry
from alertrouter.clock import Clock
from alertrouter.coverage import measure
from alertrouter.escalation import Step
from alertrouter.pagerduty.client import EventsClient
from alertrouter.planning import Playbook
from alertrouter.routing import Routing
from alertrouter.runbooks.library import Library, Shelf
from alertrouter.runbooks.watch import watch
from alertrouter.settings import Settings
from alertrouter.store import migrations
from alertrouter.store.database import Database, UnavailableError, is_unavailable
from alertrouter.store.writer import Writer
from alertrouter.worker import Worker

_MEASURE_SECONDS = 15
_log = structlog.get_logger()


class Service:
    """Everything that one process of alertrouter runs; `start()` and `stop()` belong to one event loop."""

    def __init__(self, settings: Settings, routing: Routing, clock: Clock | None = None) -> None:
        self.settings = settings
        self.database = Database(settings.database_url, clock)
        self.library = Library(settings.runbooks_dir)
        self.playbook = Playbook(
            routing,
            self.library.shelf.index,
            (Step(settings.escalate_after, settings.escalate_to, "acknowledged"),),
            settings.resolve_hold,
            settings.base_url,
        )
        self._stack = AsyncExitStack()

    @property
    def base_url(self) -> str:
        """What the links to this service start with."""
        return self.settings.base_url

    def prepare(self) -> None:
        """Create or migrate the database, and read the runbooks."""
        migrations.upgrade(self.database.engine)
        self.library.load()
        self._take_runbooks(Shelf())

    async def start(self) -> None:
        """Go to work, after `prepare()`."""
        client = EventsClient(self.settings.pagerduty_events_url)
        self._stack.push_async_callback(client.aclose)
        self._stack.callback(self.database.close)
        self.writer = Writer(self.database)
        self._stack.callback(self.writer.close)
        self._run(self.writer.run())
        self.worker = Worker(self.writer, client, self.database.clock, lambda: self.playbook)
        self.writer.on_commit = self.worker.wake
        self._run(self.worker.run())
        self._run(self._follow_runbooks())
        self._run(self._measure())
        files = len(self.library.shelf.documents)
        _log.info("at work", url=self.base_url, targets=len(self.playbook.routing.targets), runbooks=files)

    async def stop(self) -> None:
        """Let what is being sent and written end, within a few seconds, and close everything."""
        await self._stack.aclose()

    async def _follow_runbooks(self) -> None:
        """Take in what changes in the runbook folders, for as long as the service runs."""
        async with aclosing(watch(self.library.folders)) as news:
            async for _ in news:
                before = self.library.shelf
                try:
                    changed = await asyncio.to_thread(self.library.load)
                except Exception:  # noqa: BLE001 (the outermost loop: what was read before still serves)
                    _log.exception("the runbooks cannot be read")
                    continue
                if changed:
                    self._take_runbooks(before)
                    _log.info("the runbooks have changed", files=len(self.library.shelf.documents))

    async def _measure(self) -> None:
        """Publish which alerts have a section and what PagerDuty has not got, for as long as the service runs."""
        while True:
            try:
                found = await asyncio.to_thread(measure, self.database, self.library.shelf.index, self.base_url)
                telemetry.count_coverage(found.firing, len(found.known), len(found.uncovered))
                owed = await asyncio.to_thread(backlog.measure, self.database)
                telemetry.count_outbox(owed.pending, owed.dead, owed.oldest_seconds)
            except (DBAPIError, UnavailableError) as problem:
                if not is_unavailable(problem):
                    _log.exception("the figures for the metrics cannot be read")
            await asyncio.sleep(_MEASURE_SECONDS)

    def _take_runbooks(self, before: Shelf) -> None:
        """Go on with what the library holds now, and say what is newly wrong with it."""
        shelf = self.library.shelf
        self.playbook = replace(self.playbook, index=shelf.index)
        telemetry.count_runbooks(len(shelf.documents), len(shelf.index.sections), len(shelf.troubles))
        for problem in shelf.troubles:
            if problem not in before.troubles:
                _log.warning("a runbook cannot be taken as it is", problem=str(problem))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)

        async def end() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        self._stack.push_async_callback(end)
