"""What replicas tell each other: PostgreSQL's LISTEN and NOTIFY.

News goes out after the commit that it is about, on a connection of its own: inside the transaction, the one lock that PostgreSQL
takes for NOTIFY would make the commits of all replicas wait for each other. So some of it may be lost, with a replica that dies
in between or with a connection that breaks. Whoever listens therefore also looks for itself now and then.
"""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from alertrouter.pagerduty.outcomes import backoff
from alertrouter.store.database import CONNECTION, NEWS, WAIT_SECONDS, Database, News

if TYPE_CHECKING:
    from psycopg import AsyncConnection

NAME = "alertrouter"
APPLICATION = "alertrouter notifications"
"""How its connections are called in `pg_stat_activity`."""
PAUSE_SECONDS = 0.05
"""After each word, so that a busy replica does not tell of every commit by itself."""
CHECK_SECONDS = 15.0
"""How often a connection on which nothing comes is tried: one that broke without a word looks just like a quiet one."""
_LISTEN = f"LISTEN {NAME}"
_TELL = "SELECT pg_notify(%s, %s)"
_log = structlog.get_logger()


class Channel:
    """The channel of one process. `on_news` is called in the event loop with what other replicas tell; SQLite has no others.

    After a connection it is called with everything, as anything may have been missed.
    """

    def __init__(self, database: Database, on_news: Callable[[frozenset[News]], None]) -> None:
        self._database = database
        self._on_news = on_news
        self._self = uuid.uuid4().hex
        self._untold: frozenset[News] = frozenset()
        self._has_untold = asyncio.Event()

    def tell(self, news: frozenset[News]) -> None:
        """Tell the other replicas soon; what comes while something is being told goes out together."""
        if news and self._database.is_postgres:
            self._untold |= news
            self._has_untold.set()

    async def run(self) -> None:
        """Listen and tell until cancelled, by two connections: one that waits for news cannot tell any."""
        if self._database.is_postgres:
            await asyncio.gather(self._keep(self._listen), self._keep(self._speak))

    async def _keep(self, use: Callable[["AsyncConnection"], Awaitable[None]]) -> None:
        """Use a connection, and another one when it breaks, after a pause that grows to a minute."""
        from psycopg import AsyncConnection, Error  # noqa: PLC0415 - an extra

        failures = 0
        _, url = self._database.engine.dialect.create_connect_args(self._database.engine.url)
        given = {**url, **CONNECTION, "application_name": APPLICATION}
        while True:
            try:
                async with await AsyncConnection.connect(**given) as connection:
                    failures = 0
                    await use(connection)
            except (Error, OSError, TimeoutError) as problem:
                failures += 1
                why = str(problem).partition("\n")[0] or type(problem).__name__
                _log.warning("replicas do not hear each other at once: the connection for notifications broke", why=why)
                await asyncio.sleep(backoff(failures, random.random()).total_seconds())  # noqa: S311 - jitter

    async def _listen(self, connection: "AsyncConnection") -> None:
        await connection.execute(_LISTEN)
        self._on_news(NEWS)
        while True:
            async for notice in connection.notifies(timeout=CHECK_SECONDS):
                teller, *told = notice.payload.split()
                if teller != self._self:
                    self._on_news(NEWS.intersection(told))
            async with asyncio.timeout(WAIT_SECONDS):
                await connection.execute("SELECT 1")

    async def _speak(self, connection: "AsyncConnection") -> None:
        while True:
            await self._has_untold.wait()
            self._has_untold.clear()
            telling, self._untold = self._untold, frozenset()
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await connection.execute(_TELL, (NAME, " ".join([self._self, *sorted(telling)])))
            except BaseException:
                self.tell(telling)
                raise
            await asyncio.sleep(PAUSE_SECONDS)
