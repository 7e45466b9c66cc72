"""When PagerDuty does not get a page, it goes other ways: mail, chat and whatever else Apprise speaks."""

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import apprise
import structlog

from alertrouter import paging, telemetry
from alertrouter.clock import Clock
from alertrouter.pagerduty.outcomes import backoff
from alertrouter.planning import Playbook
from alertrouter.rounds import repeat
from alertrouter.store import fallback, incidents, queries
from alertrouter.store.database import Database, Transaction, UnavailableError
from alertrouter.store.fallback import Notice
from alertrouter.store.writer import OverloadedError, Writer

LOOK_EVERY = timedelta(seconds=10)
SEND_SECONDS = 45.0
_MOST = 100
_log = structlog.get_logger()


class FallbackUrlError(Exception):
    """A URL cannot be used; the text says which by its number, as it may hold a password."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One address. `name` tells it from the others without a password; `kind` is the service behind it."""

    name: str
    kind: str
    apprise: apprise.Apprise

    async def take(self, title: str, body: str) -> bool:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return bool(await self.apprise.async_notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))
        except TimeoutError:
            return False


class Ways:
    """The ways that FALLBACK_URLS name. Raises FallbackUrlError."""

    def __init__(self, urls: Iterable[str]) -> None:
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages hold addresses
        self._ways: dict[str, _Way] = {}
        for number, url in enumerate(urls, start=1):
            found = apprise.Apprise()
            if not found.add(url.replace("%2C", ",").replace("%2c", ",")):
                raise FallbackUrlError(f"address number {number} is none that Apprise knows")
            way = _way(found, self._ways)
            self._ways[way.name] = way

    @property
    def names(self) -> frozenset[str]:
        """What tells them apart in the database, whatever their order: no address and no password."""
        return frozenset(self._ways)

    def kinds(self, names: Iterable[str]) -> list[str]:
        """The services behind some of them, without addresses."""
        return sorted({self._ways[name].kind for name in names})

    async def send(self, title: str, body: str, but: Collection[str] = ()) -> frozenset[str]:
        """Send to all at once, but to those; the names of the ways that took it, within SEND_SECONDS."""
        ways = [way for name, way in self._ways.items() if name not in but]
        took = await asyncio.gather(*(way.take(title, body) for way in ways))
        return frozenset(way.name for way, taken in zip(ways, took, strict=True) if taken)


def _way(found: apprise.Apprise, others: Collection[str]) -> _Way:
    services = list(found)
    for service in services:
        if service.overflow_mode is apprise.OverflowMode.UPSTREAM:  # a service refuses what is too long for it, each time again
            service.overflow_mode = apprise.OverflowMode.TRUNCATE
    masked = " ".join(str(service.url(privacy=True)) for service in services)  # type: ignore[no-untyped-call]
    digest = hashlib.sha256(masked.encode()).hexdigest()[:16]
    alike = sum(name.startswith(digest) for name in others)  # they may differ by what is masked alone
    return _Way(f"{digest}-{alike}", ", ".join(sorted({str(service.service_name) for service in services})), found)


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
        await repeat(self.look, self._clock.real(LOOK_EVERY), "the fallback failed")

    async def look(self) -> bool:
        """Ask for the fallback of what does not get through, and send what was asked for; whether more may be due."""
        troubled = await asyncio.to_thread(self._troubled)
        if troubled:
            await self._writer.submit(_ask, troubled)
        notices = await self._writer.submit(_claim, None, seconds=None)
        # all at once: one after the other, slow ways would outlast the leases of the last
        results = await asyncio.gather(*map(self._send, notices), return_exceptions=True)
        for problem in results:
            if problem is not None:
                raise problem
        return len(notices) == fallback.MOST

    def _troubled(self) -> list[tuple[str, str]]:
        """Incidents with a page that is dead or has failed for too long, unless the route says no, with the reason."""
        routing = self._playbook().routing
        before = self._database.read_now() - self._after
        wanted: list[tuple[str, str]] = []
        cursor = ""
        with self._database.read() as session:
            while len(wanted) < _MOST and (found := queries.stuck_pages(session, before, _MOST, cursor)):
                wanted += [(incident_id, why) for incident_id, why, labels in found if routing.fallback(labels) is not False]
                cursor = found[-1][0]
        return wanted

    async def _send(self, notice: Notice) -> None:
        playbook = self._playbook()
        ack_url = playbook.ack_url(notice.state.incident.id, self._clock.now())
        title, body = paging.in_words(notice.state, notice.sections, playbook.public_url, ack_url)
        took = await self._ways.send(title, f"{notice.why}\n\n{body}", notice.taken)
        attempt = _Attempt(notice, self._ways, took, self._ways.names - notice.taken - took)
        telemetry.FALLBACKS.labels("sent").inc(len(attempt.took))
        telemetry.FALLBACKS.labels("failed").inc(len(attempt.failed))
        if attempt.took:
            _log.info("a page went other ways", incident=notice.state.incident.id, ways=self._ways.kinds(attempt.took))
        if attempt.failed:
            _log.error("the fallback failed", incident=notice.state.incident.id, ways=self._ways.kinds(attempt.failed))
        while True:  # what is not recorded would be sent again when the lease ends
            try:
                await self._writer.submit(_record, attempt)
                return
            except (UnavailableError, OverloadedError):
                await asyncio.sleep(1)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What came of sending a notice: the names of the ways that took it now, and of those that did not."""

    notice: Notice
    ways: Ways
    took: frozenset[str]
    failed: frozenset[str]


def _ask(tx: Transaction, wishes: Sequence[Sequence[tuple[str, str]]]) -> list[int]:
    return [fallback.ask(tx, wanted) for wanted in wishes]


def _claim(tx: Transaction, wishes: Sequence[None]) -> list[list[Notice]]:
    return [fallback.claim(tx) for _ in wishes]


def _record(tx: Transaction, attempts: Sequence[_Attempt]) -> list[bool]:
    return [_record_one(tx, attempt) for attempt in attempts]


def _record_one(tx: Transaction, attempt: _Attempt) -> bool:
    notice, ways = attempt.notice, attempt.ways
    again = tx.now + backoff(notice.attempts, random.random())  # noqa: S311 - jitter
    changed = fallback.record(tx, notice, notice.taken | attempt.took, None if attempt.failed else tx.now, again)
    if changed and attempt.took:
        detail = {"ways": ways.kinds(attempt.took), "places": len(attempt.took), "why": notice.why}
        incidents.tell(tx, notice.state.incident.id, "fallback", **detail)
    if changed and attempt.failed and notice.attempts == 1:  # later ones would flood the timeline; the metric counts them
        detail = {"ways": ways.kinds(attempt.failed), "places": len(attempt.failed)}
        incidents.tell(tx, notice.state.incident.id, "fallback_failed", **detail)
    return changed
