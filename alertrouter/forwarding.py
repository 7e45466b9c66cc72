"""Sends changes on to PagerDuty, apart from the pages: few at once, and never so many that PagerDuty would slow pages down."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

import structlog

from alertrouter import telemetry
from alertrouter.changes import at_its_time
from alertrouter.pagerduty.client import CHANGES, EventsClient
from alertrouter.pagerduty.outcomes import Failed, Limited, Outcome, backoff
from alertrouter.planning import Playbook
from alertrouter.store import changes
from alertrouter.store.changes import Attempt, Owed
from alertrouter.store.database import UnavailableError
from alertrouter.store.writer import OverloadedError, Writer

_MOST_AT_ONCE = 4
_MOST_A_MINUTE = 40
"""PagerDuty takes some 120 events a minute of a routing key: most of them are for pages."""
_log = structlog.get_logger()


class Forwarder:
    """What the worker does for changes: `cycle()` sends what is due."""

    def __init__(self, writer: Writer, client: EventsClient, playbook: Callable[[], Playbook]) -> None:
        self._writer = writer
        self._client = client
        self._playbook = playbook
        self._sent: deque[float] = deque()

    async def cycle(self) -> timedelta | None:
        """Send some of the changes that are due; how long until the next one is, None where nobody can say."""
        free = min(_MOST_AT_ONCE, _MOST_A_MINUTE - self._lately())
        if free <= 0:
            return None
        claimed = await self._writer.submit(changes.claim, free)
        await asyncio.gather(*(self._send(one) for one in claimed.owed))
        return timedelta(0) if claimed.more else claimed.wait

    def _lately(self) -> int:
        """How many were sent in the last minute."""
        now = time.monotonic()
        while self._sent and self._sent[0] < now - 60:
            self._sent.popleft()
        return len(self._sent)

    async def _send(self, owed: Owed) -> None:
        """One attempt: send with no transaction open, then record, for as long as the record takes."""
        self._sent.append(time.monotonic())
        outcome = await self._attempt(owed)
        delay = backoff(owed.attempts + 1, random.random())  # noqa: S311 - jitter
        if isinstance(outcome, Limited) and outcome.retry_after:
            delay = timedelta(seconds=outcome.retry_after)
        telemetry.CHANGES.labels(type(outcome).__name__.lower()).inc()
        while True:
            try:
                new = await self._writer.submit(changes.record, Attempt(owed, outcome, delay))
                break
            except (UnavailableError, OverloadedError):
                await asyncio.sleep(1)
        facts = {"change": owed.id, "target": owed.target, "attempt": owed.attempts + 1}
        if new.state == "sent":
            _log.info("PagerDuty accepted a change", **facts)
        elif new.state == "dead":
            _log.warning("PagerDuty does not get a change", why=new.error, **facts)
        else:
            _log.info("a change did not get through and is tried again", why=new.error, **facts)

    async def _attempt(self, owed: Owed) -> Outcome:
        routing = self._playbook().routing
        fingerprint = routing.fingerprints().get(owed.target)
        key = routing.routing_key(fingerprint) if fingerprint else None
        if key is None:
            return Failed(f"no routing key is configured for {owed.target}", warn=True, reached=False)
        return await self._client.send(at_its_time(owed.event, owed.at), key, CHANGES)
