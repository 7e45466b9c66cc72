"""The worker: sends what is owed to PagerDuty, fires timers, and sends changes on.

Each loop sleeps until something is due or a commit wakes it.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta

import structlog

from alertrouter import paging, telemetry, traces
from alertrouter.actions import MOST_TIMERS, fire_timers
from alertrouter.clock import Clock, elapsed
from alertrouter.deliveries import Delivery, Job
from alertrouter.forwarding import Forwarder
from alertrouter.heartbeats import Watch, look
from alertrouter.pagerduty.client import DEADLINE_SECONDS, NOT_OURS, EventsClient
from alertrouter.pagerduty.keys import Keys
from alertrouter.pagerduty.outcomes import Failed, Limited, Outcome, Refused, Sent, backoff
from alertrouter.planning import Playbook
from alertrouter.routing import Routing
from alertrouter.store import outbox
from alertrouter.store.database import NEWS, News, UnavailableError
from alertrouter.store.timers import LOOK_SECONDS
from alertrouter.store.writer import OverloadedError, Writer

MOST_IN_FLIGHT = 32
POLL_SECONDS = LOOK_SECONDS
STOP_SECONDS = 4.0
YOUNG_SECONDS = 1.0
"""A lease of this age is not asked about before sending: nobody can have taken it over."""
_log = structlog.get_logger()


class Worker:
    """Loops over the outbox, the timers and the changes of one database. `playbook` gives the routing of the moment.

    `before_steps` is asked before steps are taken, as PagerDuty may know better: it says about which incidents it asked, None
    where it asks about none. `has_page` is asked of a page whose answer was lost, before it is sent again: whether PagerDuty has
    the key of that incident.
    """

    def __init__(
        self,
        writer: Writer,
        client: EventsClient,
        clock: Clock,
        playbook: Callable[[], Playbook],
        before_steps: Callable[[], Awaitable[Collection[str] | None]],
        has_page: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        self._writer = writer
        self._client = client
        self._clock = clock
        self._playbook = playbook
        self._before_steps = before_steps
        self._has_page = has_page
        self._wakes: dict[News, asyncio.Event] = {one: asyncio.Event() for one in ("deliveries", "timers", "changes")}
        self._forwarder = Forwarder(writer, client, playbook)
        self._in_flight: dict[asyncio.Task[None], str | None] = {}
        self.keys = Keys()
        self._watched: Routing | None = None
        self._watched_at = 0.0
        self.last_cycle: dict[str, float] = {}

    def wake(self, news: Collection[News]) -> None:
        """A commit, here or on another replica, may have made something due."""
        for one in self._wakes.keys() & news:
            self._wakes[one].set()

    def poke(self) -> None:
        """Look at once whether something is due: the clock was set."""
        self.wake(NEWS)

    async def run(self) -> None:
        """Work until cancelled; what is being sent then has a few seconds to end."""
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._for_ever("deliveries", self._deliver))
                loops.create_task(self._for_ever("timers", self._fire))
                loops.create_task(self._for_ever("changes", self._forwarder.cycle))
        finally:
            if self._in_flight:
                await asyncio.wait(self._in_flight, timeout=STOP_SECONDS)
            for task in self._in_flight:
                task.cancel()

    async def _for_ever(self, name: News, cycle: Callable[[], Awaitable[timedelta | None]]) -> None:
        """Go round, and wait for what the cycle says is next; no trouble ends the loop."""
        woken = self._wakes[name]
        while True:
            woken.clear()
            try:
                wait = await cycle()
                seconds = POLL_SECONDS if wait is None else min(self._clock.real(wait), POLL_SECONDS)
            except (UnavailableError, OverloadedError) as error:
                _log.warning("the worker waits for the database", loop=name, error=str(error))
                seconds = 1.0
            except Exception as error:  # noqa: BLE001 - the outermost loop: whatever went wrong, the next page must go out
                _log.exception("a cycle of the worker failed", loop=name, error=type(error).__name__)
                seconds = 1.0
            self.last_cycle[name] = time.monotonic()
            telemetry.WORKER_CYCLE.labels(name).set_to_current_time()
            try:
                async with asyncio.timeout(seconds):
                    await woken.wait()
            except TimeoutError:
                pass

    async def _fire(self) -> timedelta | None:
        asked = await self._before_steps()
        fired = await self._writer.submit(fire_timers, asked, seconds=None)
        if fired.count >= MOST_TIMERS:
            return timedelta(0)
        waits = [fired.wait, await self._look_for_heartbeats()]
        return min((wait for wait in waits if wait is not None), default=None)

    async def _look_for_heartbeats(self) -> timedelta | None:
        """Once after a start, and after each change of the routing file, also where there are none: some may have been there."""
        playbook = self._playbook()
        is_start = playbook.routing is not self._watched
        if not (playbook.routing.heartbeats or is_start):
            return None
        wait = await self._writer.submit(look, Watch(playbook, None if is_start else self._watched_at), seconds=None)
        self._watched, self._watched_at = playbook.routing, time.monotonic()
        return wait

    async def _deliver(self) -> timedelta | None:
        free = MOST_IN_FLIGHT - len(self._in_flight)
        if not free:
            return None
        routing, now = self._playbook().routing, self._clock.now()
        keys, known = routing.fingerprints(), routing.known_fingerprints()
        self.keys.keep(known)
        in_flight = Counter(key for key in self._in_flight.values() if key)
        closed = self.keys.closed(in_flight, now)
        if keys and closed.issuperset(keys.values()):
            return self.keys.opens_in(now)
        paused = tuple(target for target, key in keys.items() if key in closed)
        wish = outbox.Claim(self.keys.most(free, in_flight, now), keys, known, routing.default_target, paused)
        asked_at = elapsed()
        claimed = await self._writer.submit(outbox.claim, wish, seconds=None)
        for job in claimed.jobs:
            task = asyncio.create_task(self._send(job, asked_at))
            self._in_flight[task] = job.key_fingerprint
            task.add_done_callback(self._done)
        if claimed.more:
            return timedelta(0)
        return min((wait for wait in (claimed.wait, self.keys.opens_in(now)) if wait is not None), default=None)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._in_flight[task]
        self._wakes["deliveries"].set()
        if not task.cancelled() and (error := task.exception()):
            _log.error("an attempt could not be finished", error=repr(error))

    async def _send(self, job: Job, asked_at: float) -> None:
        """One attempt: send with no transaction open, then record, for as long as the record takes."""
        one = job.delivery
        facts: dict[str, str | int] = {"incident": one.incident_id, "target": one.target, "attempt": one.attempts + 1}
        with traces.span(f"PagerDuty {one.action}", "client", job.trace, **facts) as trace:
            outcome, has_met = await self._attempt(job, asked_at)
            traces.note(outcome=type(outcome).__name__.lower())
            self._report(job, outcome)
        if isinstance(outcome, Sent):
            owed_for = job.owed_for + self._clock.simulated(elapsed() - asked_at)
            telemetry.count_sent(one.action, owed_for, trace)
        delay = backoff(job.delivery.attempts + 1, random.random())  # noqa: S311 - jitter
        if isinstance(outcome, Limited):
            delay = timedelta(seconds=outcome.retry_after) if outcome.retry_after else delay
        attempt = outbox.Attempt(job.delivery, outcome, delay, self._works_again(job, outcome, delay) if has_met else None)
        tries = 0
        while True:
            try:
                await self._writer.submit(outbox.record, attempt)
                return
            except (UnavailableError, OverloadedError):
                await asyncio.sleep(1)
            except Exception:
                if (tries := tries + 1) >= outbox.LEASE_SECONDS:  # by then it is somebody else's
                    raise
                await asyncio.sleep(1)

    async def _attempt(self, job: Job, asked_at: float) -> tuple[Outcome, bool]:
        """What came of it, and whether the Events API, or the way to it, had a part in that."""
        delivery, playbook = job.delivery, self._playbook()
        if delivery.action == "trigger" and delivery.unsure and await self._has_page(delivery.incident_id, delivery.key):
            return Sent(), False
        key = playbook.routing.routing_key(job.key_fingerprint) if job.key_fingerprint else None
        if key is None:
            why = f"no routing key is configured that {delivery.target} could be sent with"
            return Failed(why, warn=True, reached=False), False
        ack_url = playbook.ack_url(delivery.incident_id, self._clock.now())
        event = paging.event(job, playbook.public_url, ack_url)
        outcome = await self._client.send(event, key, is_ours=lambda: self._holds(delivery, asked_at))
        return outcome, outcome is not NOT_OURS

    async def _holds(self, delivery: Delivery, asked_at: float) -> bool:
        """Whether nobody can have taken a lease over that was asked for at `asked_at`: this process may have been frozen since.

        It has to last for one more attempt. If the database cannot be asked, our own clock says whether it does.
        """
        if elapsed() - asked_at < YOUNG_SECONDS:
            return True
        try:
            return await self._writer.submit(outbox.holds, outbox.Hold(delivery, DEADLINE_SECONDS))
        except (UnavailableError, OverloadedError):
            return elapsed() - asked_at < outbox.LEASE_SECONDS - DEADLINE_SECONDS

    def _works_again(self, job: Job, outcome: Outcome, delay: timedelta) -> str | None:
        """The fingerprint of the key, if it was failing and this attempt got through. Both turns are told once."""
        key, target = job.key_fingerprint, job.delivery.target
        if key is None:
            return None
        was_failing = self.keys.is_failing(key)
        is_back = self.keys.answered(key, outcome, delay, self._clock.now())
        if is_back:
            _log.info("PagerDuty takes events again: what waited goes now, the most severe first", target=target)
        elif self.keys.is_failing(key) and not was_failing:
            _log.warning("PagerDuty takes no events: it is probed, and the rest waits", target=target)
        return key if is_back else None

    def _report(self, job: Job, outcome: Outcome) -> None:
        delivery = job.delivery
        telemetry.DELIVERIES.labels(delivery.action, type(outcome).__name__.lower()).inc()
        facts = {
            "incident": delivery.incident_id,
            "target": delivery.target,
            "action": delivery.action,
            "dedup_key": delivery.key,
            "attempt": delivery.attempts + 1,
        }
        if isinstance(outcome, Sent):
            _log.info("PagerDuty accepted an event", **facts)
        elif isinstance(outcome, Refused):
            _log.error("PagerDuty refused an event", errors=outcome.errors, **facts)
        elif isinstance(outcome, Limited):
            _log.warning("PagerDuty asked to slow down", **facts)
        else:
            _log.log(30 if outcome.warn else 20, "an event did not get through and is tried again", why=outcome.reason, **facts)
