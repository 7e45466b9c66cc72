"""Asking PagerDuty: which keys a webhook speaks of, what became of pages before a step is taken, what webhooks missed."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog

from alertrouter import telemetry
from alertrouter.actions import MOST_TIMERS
from alertrouter.clock import Clock
from alertrouter.feedback import Heard, Looked, Unconfirmed, compare, warn_unconfirmed
from alertrouter.pagerduty.rest import CannotAskError, Found, RestClient
from alertrouter.pagerduty.webhooks import Webhook
from alertrouter.planning import Playbook
from alertrouter.rounds import repeat
from alertrouter.store import queries
from alertrouter.store.database import Database
from alertrouter.store.writer import Writer
from alertrouter.tables import DeliveryRow
from alertrouter.urls import key_of

RECONCILE_EVERY = timedelta(minutes=5)
CONFIRM_EVERY = timedelta(seconds=15)
LOOK_UP_SECONDS = 2.5
BEFORE_STEP_SECONDS = 3.0
_MOST_AT_ONCE = 10
_MOST_OPEN = 300
_MOST_UNCONFIRMED = 100
_STATES = frozenset(("triggered", "acknowledged", "unacknowledged", "reopened", "resolved"))
_log = structlog.get_logger()
Answer = TypeVar("Answer")


class Reconciler:
    """What one process asks PagerDuty; without `rest` (no API token) it goes by what webhooks say."""

    def __init__(self, database: Database, writer: Writer, rest: RestClient | None, playbook: Callable[[], Playbook]) -> None:
        self._database = database
        self._writer = writer
        self._rest = rest
        self._playbook = playbook
        self._limit = asyncio.Semaphore(_MOST_AT_ONCE)
        self._cursor: str | None = None

    @property
    def _clock(self) -> Clock:
        return self._database.clock

    async def correlate(self, webhook_id: str, webhook: Webhook) -> Heard:
        """A webhook with our keys on its incident, or on the one that it was merged into.

        By the API, as a key may join an incident later, and of a merged one the list is empty by then; or else by the trigger's
        `client_url`. Takes a few seconds at most, whatever PagerDuty does.
        """
        keys: Sequence[str] = []
        into = None
        if self._rest and webhook.pagerduty_id and webhook.kind in _STATES:
            try:
                async with asyncio.timeout(LOOK_UP_SECONDS):
                    into = await self._rest.merged_into(webhook.merged_into) if webhook.merged_into else None
                    keys = await self._rest.keys_of(into.id if into else webhook.pagerduty_id)
            except (CannotAskError, TimeoutError) as problem:
                _log.warning("PagerDuty cannot be asked about a webhook", why=str(problem) or "no answer in time")
        key = key_of(webhook.client_url, self._playbook().public_url)
        return Heard(webhook_id, webhook, tuple(keys or ([key] if key else [])), into)

    async def before_steps(self) -> Collection[str] | None:
        """Look at the incidents whose next step is due, which are returned: an acknowledgement may have been missed.

        Trouble changes nothing: the step is taken. None without an API token.
        """
        if self._rest is None:
            return None
        due = await asyncio.to_thread(self._due)
        await self._in_time(self._look(due))
        return due.keys()

    async def has_page(self, incident_id: str, key: str) -> bool:
        """Whether PagerDuty has a page whose answer was lost, and may be over there already: it would page again then.

        Trouble changes nothing: the page is sent once more. False without an API token.
        """
        return self._rest is not None and bool(await self._in_time(self._look_at(incident_id, [key])))

    async def _in_time(self, look: Awaitable[Answer]) -> Answer | None:
        """What somebody has to wait for before a page goes out; None in trouble."""
        try:
            async with asyncio.timeout(BEFORE_STEP_SECONDS):
                return await look
        except Exception as problem:  # noqa: BLE001 - whatever is wrong with the question, somebody has to be paged
            _log.warning("PagerDuty cannot be asked before a page", why=type(problem).__name__)
            return None

    async def run(self, confirm_within: timedelta | None) -> None:
        """Reconcile and, unless `confirm_within` is None, look for pages that PagerDuty never confirmed; until cancelled."""
        loops = []
        if self._rest:
            loops.append(repeat(self.reconcile, self._clock.real(RECONCILE_EVERY), "PagerDuty's state cannot be compared"))
        if confirm_within is not None:
            confirm = partial(self.confirm, confirm_within)
            loops.append(repeat(confirm, self._clock.real(CONFIRM_EVERY), "unconfirmed pages cannot be looked for"))
        await asyncio.gather(*loops)

    async def reconcile(self) -> None:
        """Bring the open incidents up to what PagerDuty shows."""
        pages = await asyncio.to_thread(self._open_pages)
        await self._look(pages)

    async def _look(self, pages: Mapping[str, Sequence[str]]) -> None:
        """Ask for the keys of each incident, and bring ours up to what PagerDuty shows."""
        await asyncio.gather(*(self._look_at(incident_id, keys) for incident_id, keys in pages.items()))

    async def _look_at(self, incident_id: str, keys: Sequence[str]) -> Collection[str]:
        """The keys that PagerDuty has."""
        assert self._rest is not None
        found: dict[str, Found] = {}
        try:
            async with self._limit:
                for key in keys:
                    newest = await self._rest.incidents_with(key)
                    found |= {key: newest[0]} if newest else {}
        except CannotAskError as problem:
            _log.warning("PagerDuty cannot be asked", incident=incident_id, why=str(problem))
        if found:
            healed = await self._writer.submit(compare, Looked(incident_id, found))
            telemetry.HEALED.inc(healed)
        return found.keys()

    async def confirm(self, within: timedelta) -> None:
        """Warn of pages that PagerDuty opened no incident for.

        Without the API, unless its webhooks come and none names a page of ours: they then tell too little to go by.
        """
        before = await asyncio.to_thread(self._database.read_now) - within
        late, can_tell = await asyncio.to_thread(self._unconfirmed, before)
        if late and self._rest:
            keys: dict[str, list[str]] = {}
            for one in late:
                keys.setdefault(one.incident_id, []).append(one.dedup_key)
            await self._look(keys)
            late, _ = await asyncio.to_thread(self._unconfirmed, before)
        if late and (self._rest or can_tell):
            wanted = await asyncio.to_thread(self._wanting_fallback, late)
            telemetry.UNCONFIRMED.inc(await self._writer.submit(warn_unconfirmed, Unconfirmed(late, wanted)))

    def _wanting_fallback(self, late: Sequence[DeliveryRow]) -> frozenset[str]:
        with self._database.read() as session:
            labels = {one.incident_id: queries.labels_of(session, one.incident_id) for one in late}
        return frozenset(one for one, found in labels.items() if self._playbook().routing.fallback(found) is True)

    def _due(self) -> dict[str, list[str]]:
        now = self._database.read_now()
        with self._database.read() as session:
            return queries.pages_with_step_due(session, now, MOST_TIMERS)

    def _open_pages(self) -> dict[str, list[str]]:
        """Some at a time, so that a storm does not keep anybody from being looked at."""
        with self._database.read() as session:
            found = queries.open_pages(session, _MOST_OPEN, self._cursor)
        self._cursor = min(found) if len(found) == _MOST_OPEN else None
        return found

    def _unconfirmed(self, before: datetime) -> tuple[list[DeliveryRow], bool]:
        """Those pages, and whether what PagerDuty's webhooks say, or that none comes, is to be gone by."""
        with self._database.read() as session:
            return queries.unconfirmed(session, before, _MOST_UNCONFIRMED), queries.can_tell_of_pages(session)
