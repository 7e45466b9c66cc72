"""Forgetting what is older than RETENTION, beside all other work of a running service."""

import asyncio
from datetime import timedelta

import structlog

from alertrouter.store.database import Database
from alertrouter.store.prune import Wish, prune, prune_others
from alertrouter.store.writer import Writer

EVERY_SECONDS = 3600.0
_PAUSE_SECONDS = 0.05
_log = structlog.get_logger()


class Pruner:
    """Forgets, a batch at a time, in the queue that everything else is written through."""

    def __init__(self, database: Database, writer: Writer, retention: timedelta) -> None:
        self._database = database
        self._writer = writer
        self._retention = retention

    async def prune(self) -> None:
        """Forget all that is old enough now."""
        before = await asyncio.to_thread(self._database.read_now) - self._retention
        after, total = "", 0
        while True:
            number, after = await self._writer.submit(prune, Wish(before, after))
            total += number
            if not after:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        while await self._writer.submit(prune_others, Wish(before)):
            await asyncio.sleep(_PAUSE_SECONDS)
        if total:
            _log.info("incidents that are long over were forgotten", incidents=total)
