"""The service: its parts, started and stopped in order."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from importlib.metadata import version

import structlog

from alertrouter import backlog, telemetry
from alertrouter.bell import Bell
from alertrouter.clock import Clock
from alertrouter.coverage import measure
from alertrouter.inventory import Inventory
from alertrouter.pagerduty.client import EventsClient
from alertrouter.pagerduty.rest import RestClient
from alertrouter.planning import Playbook
from alertrouter.pruning import EVERY_SECONDS, Pruner
from alertrouter.reconciler import Reconciler
from alertrouter.reload import Files
from alertrouter.rounds import repeat
from alertrouter.routing import Routing
from alertrouter.runbooks.library import Library
from alertrouter.settings import Settings, in_clear
from alertrouter.store import migrations
from alertrouter.store.channel import Channel
from alertrouter.store.database import Database, News, Transaction
from alertrouter.store.writer import Writer
from alertrouter.worker import Worker

_MEASURE_SECONDS = 30
_log = structlog.get_logger()


class Service:
    """Everything that one process of alertrouter runs; `start()` and `stop()` belong to one event loop."""

    def __init__(self, settings: Settings, routing: Routing, clock: Clock | None = None) -> None:
        self.settings = settings
        self.database = Database(settings.database_url, clock)
        self.files = Files(settings, routing)
        self.bell = Bell()
        self.lost_keys: tuple[str, ...] = ()
        self.channel = Channel(self.database, self._hear)
        self._stack = AsyncExitStack()

    @property
    def playbook(self) -> Playbook:
        """Routing and runbooks of the moment."""
        return self.files.playbook

    @property
    def library(self) -> Library:
        """The runbooks."""
        return self.files.library

    @property
    def base_url(self) -> str:
        """What the links to this service start with."""
        return self.settings.base_url

    def prepare(self) -> None:
        """Create or migrate the database, and read the runbooks."""
        migrations.upgrade(self.database.engine)
        self.files.load()

    async def start(self) -> None:
        """Go to work, after `prepare()`."""
        client = EventsClient(self.settings.pagerduty_events_url)
        self._stack.push_async_callback(client.aclose)
        self._stack.callback(self.database.close)
        self.writer = Writer(self.database)
        self._stack.callback(self.writer.close)
        self._run(self.writer.run())
        self.reconciler = Reconciler(self.database, self.writer, self._rest_client(), lambda: self.playbook)
        asked = (self.reconciler.before_steps, self.reconciler.has_page)
        self.worker = Worker(self.writer, client, self.database.clock, lambda: self.playbook, *asked)
        self.writer.on_commit = self._committed
        self._run(self.worker.run())
        self._run(self.channel.run())
        hears = self.settings.pagerduty_webhook_secrets or self.settings.pagerduty_api_token
        self._run(self.reconciler.run(self.settings.confirm_within if hears else None))
        self._run(self._fall_back())
        self._run(Inventory(self.database, self.writer, lambda: self.playbook).run())
        if self.settings.retention:
            pruner = Pruner(self.database, self.writer, self.settings.retention)
            self._run(repeat(pruner.prune, EVERY_SECONDS, "old incidents cannot be forgotten"))
        self.files.on_change = self.worker.poke
        self._run(self.files.run())
        self._listen()
        self._run(repeat(self._measure, _MEASURE_SECONDS, "the figures for the metrics cannot be read"))
        telemetry.BUILD.labels(version("alertrouter"), "postgresql" if self.database.is_postgres else "sqlite").set(1)
        files = len(self.library.shelf.documents)
        _log.info("at work", url=self.base_url, targets=len(self.playbook.routing.targets), runbooks=files)

    def _committed(self, transaction: Transaction) -> None:
        telemetry.count_batch(transaction.size, transaction.seconds)
        self._hear(transaction.news)
        self.channel.tell(transaction.news)

    def _hear(self, news: frozenset[News]) -> None:
        self.worker.wake(news)
        if news:
            self.bell.ring()

    async def stop(self) -> None:
        """Let what is being sent and written end, within a few seconds, and close everything."""
        await self._stack.aclose()

    def _rest_client(self) -> RestClient | None:
        token = self.settings.pagerduty_api_token
        if token is None:
            return None
        rest = RestClient(self.settings.pagerduty_api_url, token)
        self._stack.push_async_callback(rest.aclose)
        return rest

    async def _fall_back(self) -> None:
        """Send what does not get through other ways, where there are any."""
        if self.settings.fallback_urls:
            from alertrouter.fallback import Fallback, Ways  # noqa: PLC0415 - an extra that few install

            ways = Ways(in_clear(self.settings.fallback_urls))
            await Fallback(self.database, self.writer, ways, self.settings.fallback_after, lambda: self.playbook).run()

    def _listen(self) -> None:
        """SIGHUP reads the files again, where a process can hear it."""
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(signal.SIGHUP, self.files.reload_soon)
            self._stack.callback(loop.remove_signal_handler, signal.SIGHUP)

    async def _measure(self) -> None:
        """Publish which alerts have a section and what PagerDuty has not got."""
        found = await asyncio.to_thread(measure, self.database, self.library.shelf.index, self.base_url)
        telemetry.count_coverage(found.firing, len(found.known), len(found.uncovered))
        owed = await asyncio.to_thread(backlog.measure, self.database)
        telemetry.count_outbox(owed.pending, owed.dead, owed.oldest_seconds)
        telemetry.count_open(owed.open, self.playbook.routing.targets)
        telemetry.CLOCK_SKEW.set(owed.skew_seconds)
        self._warn_of_lost_keys(owed.lost_keys(self.playbook.routing.configured))

    def _warn_of_lost_keys(self, targets: tuple[str, ...]) -> None:
        telemetry.LOST_KEYS.set(len(targets))
        if targets and targets != self.lost_keys:
            _log.error(
                "open incidents need a routing key that nobody configures: list it (previous_routing_keys)", targets=targets
            )
        self.lost_keys = targets

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)

        async def end() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        self._stack.push_async_callback(end)
