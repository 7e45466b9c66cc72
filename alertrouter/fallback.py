"""When PagerDuty does not get a page, it goes other ways: mail, chat and whatever else Apprise speaks."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import apprise
import structlog

from alertrouter import paging, telemetry
from alertrouter.clock import Clock
from alertrouter.pagerduty.outcomes import backoff
from alertrouter.planning import Playbook
from alertrouter.store import fallback, incidents, queries
from alertrouter.store.database import Database, Transaction, UnavailableError, is_unavailable
from alertrouter.store.fallback import Notice
from alertrouter.store.writer import OverloadedError, Writer

LOOK_EVERY = timedelta(seconds=10)
SEND_SECONDS = 45.0
_MOST = 100
_log = structlog.get_logger()


class FallbackUrlError(Exception):
    """A URL cannot be used; the text says which by its number, as it may hold a password."""


class Ways:
    """The ways that FALLBACK_URLS name. Raises FallbackUrlError."""

    def __init__(self, urls: Iterable[str]) -> None:
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages hold addresses
        self._apprise = apprise.Apprise()
        for number, url in enumerate(urls, start=1):
            if not self._apprise.add(url.replace("%2C", ",").replace("%2c", ",")):
                raise FallbackUrlError(f"address number {number} is none that Apprise knows")

    @property
    def kinds(self) -> list[str]:
        """The services behind them, without addresses."""
        return sorted({str(way.service_name) for way in self._apprise})

    async def send(self, title: str, body: str) -> bool:
        """Send to all of them, in so many seconds; whether every one took it."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return bool(await self._apprise.async_notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))
        except TimeoutError:
            return False


class Fallback:
    """Looks for pages that do not get through for `after`, and sends them by `ways`, once for each incident."""

    def __init__(
        self, database: Database, writer: Writer, ways: Ways, after: timedelta, playbook: Callable[[], Playbook]
    ) -> None:
        self._database = database
        self._writer = writer
        self._ways = ways
        self._after = after
        self._playbook = playbook

    @property
    def _clock(self) -> Clock:
        return self._database.clock

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            try:
                await self.look()
            except (UnavailableError, OverloadedError):
                pass  # others tell that the database is away
            except Exception as problem:  # noqa: BLE001 - the outermost loop: the next round may do
                if not is_unavailable(problem):
                    _log.exception("the fallback failed", error=type(problem).__name__)
            await asyncio.sleep(self._clock.real(LOOK_EVERY))

    async def look(self) -> None:
        """Ask for the fallback of what does not get through, and send what was asked for."""
        troubled = await asyncio.to_thread(self._troubled)
        if troubled:
            await self._writer.submit(_ask, troubled)
        for notice in await self._writer.submit(_claim, None, seconds=None):
            await self._send(notice)

    def _troubled(self) -> list[tuple[str, str]]:
        """Incidents with a page that is dead or has failed for too long, where the route asks for it, with the reason."""
        routing = self._playbook().routing
        before = self._database.read_now() - self._after
        with self._database.read() as session:
            found = queries.stuck_pages(session, before, _MOST)
        return [(incident_id, why) for incident_id, why, labels in found if routing.route(labels).fallback]

    async def _send(self, notice: Notice) -> None:
        title, body = paging.in_words(notice.state, notice.sections, self._playbook().public_url)
        sent = await self._ways.send(title, f"{notice.why}\n\n{body}")
        telemetry.FALLBACKS.labels("sent" if sent else "failed").inc()
        log = _log.info if sent else _log.error
        log("a page went other ways" if sent else "the fallback failed", incident=notice.state.incident.id, ways=self._ways.kinds)
        await self._writer.submit(_record, (notice, sent, self._ways.kinds))


def _ask(tx: Transaction, wishes: Sequence[Sequence[tuple[str, str]]]) -> list[int]:
    return [fallback.ask(tx, wanted) for wanted in wishes]


def _claim(tx: Transaction, wishes: Sequence[None]) -> list[list[Notice]]:
    return [fallback.claim(tx) for _ in wishes]


def _record(tx: Transaction, attempts: Sequence[tuple[Notice, bool, list[str]]]) -> list[bool]:
    return [_record_one(tx, notice, sent, kinds) for notice, sent, kinds in attempts]


def _record_one(tx: Transaction, notice: Notice, sent: bool, kinds: list[str]) -> bool:
    again = tx.now + backoff(notice.attempts, random.random())  # noqa: S311 - jitter
    changed = fallback.record(tx, notice, tx.now if sent else None, again)
    if changed:
        incidents.tell(tx, notice.state.incident.id, "fallback" if sent else "fallback_failed", ways=kinds, why=notice.why)
    return changed
