"""Comparing open incidents with what the Alertmanagers still hold: for resolves that never came, and for silences."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import islice

import httpx
import structlog

from alertrouter.actions import save
from alertrouter.alertmanager_api import CannotLookError, Look, look
from alertrouter.holding import Held, judge
from alertrouter.incidents import Ended, decide
from alertrouter.planning import Playbook
from alertrouter.rounds import repeat
from alertrouter.store import held, incidents, queries
from alertrouter.store.database import Database, Transaction
from alertrouter.store.writer import Writer

LOOK_EVERY = timedelta(minutes=1)
GONE = "Alertmanager does not hold its alerts any more"
_MOST = 500
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Seen:
    """What the Alertmanagers of one source said, and what was known of that source's open incidents before."""

    source: str
    looks: Sequence[Look | None]
    before: Mapping[str, Held]


class Inventory:
    """Looks at the Alertmanagers that the routing file names, now and then."""

    def __init__(self, database: Database, writer: Writer, playbook: Callable[[], Playbook]) -> None:
        self._database = database
        self._writer = writer
        self._playbook = playbook

    async def run(self) -> None:
        """Look, until cancelled."""
        pause = self._database.clock.real(LOOK_EVERY)
        while not self._playbook().routing.alertmanagers:  # to be ready to ask one takes 3 MB
            await asyncio.sleep(pause)
        async with httpx.AsyncClient(follow_redirects=False) as http:
            await repeat(partial(self.look, http), pause, "Alertmanager's list cannot be compared")

    async def look(self, http: httpx.AsyncClient) -> None:
        """Look once at every source's Alertmanagers, where it has open incidents."""
        for source, urls in self._playbook().routing.alertmanagers.items():
            before = await asyncio.to_thread(self._before, source)
            if before:
                looks = await asyncio.gather(*(self._look_at(http, source, url) for url in urls))
            for start in range(0, len(before), _MOST):
                some = dict(islice(before.items(), start, start + _MOST))
                await self._writer.submit(_compare, Seen(source, looks, some))

    async def _look_at(self, http: httpx.AsyncClient, source: str, url: str) -> Look | None:
        try:
            return await look(http, url)
        except CannotLookError as problem:
            _log.warning("an Alertmanager cannot be asked; nothing is closed", source=source, why=str(problem))
            return None

    def _before(self, source: str) -> dict[str, Held]:
        with self._database.read() as session:
            return queries.held_incidents(session, source)


def _compare(tx: Transaction, seen: Sequence[Seen]) -> list[int]:
    incidents.load(tx, {incident_id for one in seen for incident_id in one.before})
    return [sum(_compare_one(tx, one, incident_id) for incident_id in sorted(one.before)) for one in seen]


def _compare_one(tx: Transaction, seen: Seen, incident_id: str) -> int:
    for state in incidents.load(tx, [incident_id]):
        if state.incident.notifications != seen.before[incident_id].notifications:
            continue  # what Alertmanager held before it sent the latest says nothing of that
        firing = [member.fingerprint for member in state.members.values() if member.firing]
        now_held, verdict = judge(seen.before[incident_id], firing, seen.looks, tx.now)
        if not state.incident.is_open or verdict == "over":
            held.save(tx, incident_id, None, None)
            save(tx, decide(state, Ended(GONE), tx.now))
            return 1
        silence = now_held.silence
        held.save(tx, incident_id, now_held.absent_since, (silence.by, silence.until) if silence else None)
    return 0
