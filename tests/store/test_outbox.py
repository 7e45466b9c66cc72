"""The outbox: who may send what, and when."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg

from alertrouter.actions import Action, act, fire_timers
from alertrouter.clock import Clock
from alertrouter.deliveries import Job
from alertrouter.escalation import Step
from alertrouter.incidents import Acknowledged, Resolved
from alertrouter.pagerduty.outcomes import Failed, Outcome, Refused, Sent
from alertrouter.planning import Playbook
from alertrouter.posts import take
from alertrouter.routing import Routing
from alertrouter.runbooks.match import Index
from alertrouter.store import outbox
from alertrouter.store.database import Database, Transaction
from alertrouter.store.writer import Writer
from posting import post
from processes import notification
from serving import TARGETS, HandClock

ROUTING = Routing(TARGETS, (), "oncall")
STEPS = (Step(timedelta(minutes=15), "engineering", "acknowledged"),)
PLAYBOOK = Playbook(ROUTING, Index(), STEPS, timedelta(seconds=60), "http://router.test")


class Box:
    """A database without a worker, and what a worker would do with it."""

    def __init__(self, writer: Writer, clock: HandClock) -> None:
        self.writer = writer
        self.clock = clock

    async def notify(self, body: dict[str, Any]) -> str:
        [incident] = await self.writer.submit(take, post(body, PLAYBOOK))
        return incident

    async def claim(self, most: int = 10, paused: Sequence[str] = ()) -> list[Job]:
        wish = outbox.Claim(most, ROUTING.fingerprints(), ROUTING.known_fingerprints(), ROUTING.default_target, tuple(paused))
        return list((await self.writer.submit(outbox.claim, wish)).jobs)

    async def record(self, job: Job, outcome: Outcome) -> bool:
        return await self.writer.submit(outbox.record, outbox.Attempt(job.delivery, outcome, timedelta(seconds=1)))

    async def holds(self, job: Job, seconds: float) -> bool:
        return await self.writer.submit(outbox.holds, outbox.Hold(job.delivery, seconds))

    async def kinds(self, incident: str) -> list[str]:
        """Of the lines on its timeline."""

        def ask(tx: Transaction, _: Sequence[None]) -> list[list[str]]:
            mark = "%s" if tx.database.is_postgres else "?"
            rows = tx.cursor.execute(f"SELECT kind FROM timeline WHERE incident_id = {mark} ORDER BY id", (incident,)).fetchall()
            return [[row[0] for row in rows]]

        return await self.writer.submit(ask, None)

    async def act(self, incident: str, event: Any) -> None:
        await self.writer.submit(act, Action(incident, event))


@asynccontextmanager
async def boxed(url: str) -> AsyncIterator[Box]:
    clock = HandClock()
    database = Database(url, Clock(lambda: clock.now))
    writer = Writer(database)
    task = asyncio.create_task(writer.run())
    try:
        yield Box(writer, clock)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        writer.close()
        database.close()


def severe(severity: str, group: str) -> dict[str, Any]:
    body = notification("X", group=group)
    body["alerts"][0]["labels"]["severity"] = severity
    return body


async def test_the_most_severe_goes_first_then_the_oldest(database_url: str) -> None:
    async with boxed(database_url) as box:
        ids = [
            await box.notify(severe(severity, f"{n}")) for n, severity in enumerate(("info", "critical", "warning", "critical"))
        ]
        order = [(await box.claim(1))[0].delivery.incident_id for _ in ids]
        assert order == [ids[1], ids[3], ids[2], ids[0]]


async def test_what_is_leased_is_nobody_elses_until_the_lease_is_over(database_url: str) -> None:
    async with boxed(database_url) as box:
        await box.notify(notification())
        [job] = await box.claim()
        assert await box.claim() == []
        box.clock.pass_(seconds=outbox.LEASE_SECONDS)
        [again] = await box.claim()
        assert (again.delivery.id, again.delivery.attempts) == (job.delivery.id, 1)


async def test_the_record_of_a_lease_that_was_taken_over_changes_nothing(database_url: str) -> None:
    async with boxed(database_url) as box:
        await box.notify(notification())
        [frozen] = await box.claim()
        box.clock.pass_(seconds=outbox.LEASE_SECONDS)
        [other] = await box.claim()
        assert not await box.record(frozen, Failed("late", warn=False, reached=True))
        assert await box.record(other, Sent())
        box.clock.pass_(hours=1)
        assert await box.claim() == []


async def test_a_claim_does_not_wait_for_a_replica_that_is_at_work_on_the_incident(postgres_url: str) -> None:
    async with boxed(postgres_url) as box:
        incident = await box.notify(notification())
        with psycopg.connect(postgres_url) as other:
            other.execute("SELECT 1 FROM incident FOR UPDATE")
            [job] = await box.claim()
        assert job.delivery.incident_id == incident


async def test_a_lease_is_held_while_it_lasts_for_one_more_attempt_and_nobody_has_taken_it_over(database_url: str) -> None:
    async with boxed(database_url) as box:
        await box.notify(notification())
        [frozen] = await box.claim()
        attempt = outbox.LEASE_SECONDS / 2
        assert await box.holds(frozen, attempt)
        box.clock.pass_(seconds=attempt + 1)
        assert not await box.holds(frozen, attempt)
        box.clock.pass_(seconds=attempt)
        [other] = await box.claim()
        assert not await box.holds(frozen, attempt)
        assert await box.holds(other, attempt)
        await box.record(other, Sent())
        assert not await box.holds(other, attempt)


async def test_every_attempt_that_is_recorded_together_has_its_line_on_its_timeline(database_url: str) -> None:
    async with boxed(database_url) as box:
        ids = [await box.notify(notification(group=f"{n}")) for n in range(3)]
        jobs = await box.claim()
        outcomes: list[Outcome] = [Sent(), Refused(("no",)), Sent()]
        recorded = await asyncio.gather(*(box.record(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True)))
        assert recorded == [True] * 3
        kinds = {incident: await box.kinds(incident) for incident in ids}
        assert list(kinds.values()) == [["opened", "paged"], ["opened", "delivery_cut"], ["opened", "paged"]]


async def test_events_of_one_key_go_one_at_a_time_in_their_order(database_url: str) -> None:
    async with boxed(database_url) as box:
        incident = await box.notify(notification())
        await box.act(incident, Acknowledged("ana"))
        [trigger] = await box.claim()
        assert trigger.delivery.action == "trigger"
        assert await box.claim() == []
        await box.record(trigger, Sent())
        [acknowledge] = await box.claim()
        assert acknowledge.delivery.action == "acknowledge"


async def test_the_keys_of_one_incident_do_not_wait_for_each_other(database_url: str) -> None:
    async with boxed(database_url) as box:
        incident = await box.notify(notification())
        [trigger] = await box.claim()
        box.clock.pass_(minutes=15)
        await box.writer.submit(fire_timers, None)
        assert [job.delivery.key for job in await box.claim()] == [incident, f"{incident}/e1"]
        assert trigger.delivery.key == incident


async def test_a_paused_target_is_left_out(database_url: str) -> None:
    async with boxed(database_url) as box:
        await box.notify(notification())
        assert await box.claim(paused=["oncall"]) == []
        assert len(await box.claim()) == 1


async def test_a_lease_that_ended_without_a_record_may_have_reached_pagerduty(database_url: str) -> None:
    async with boxed(database_url) as box:
        incident = await box.notify(notification())
        await box.claim()
        await box.act(incident, Resolved("ana"))
        box.clock.pass_(seconds=outbox.LEASE_SECONDS)
        assert await box.claim() == []  # the trigger is superseded
        [resolve] = await box.claim()
        assert resolve.delivery.action == "resolve"


async def test_a_target_without_a_key_is_claimed_without_one(database_url: str) -> None:
    async with boxed(database_url) as box:
        await box.notify(notification())
        claimed = await box.writer.submit(outbox.claim, outbox.Claim(1, {}, frozenset(), "oncall"))
        assert [job.key_fingerprint for job in claimed.jobs] == [None]


async def test_what_pagerduty_took_is_sent_even_if_the_lease_is_somebody_elses_by_now(database_url: str) -> None:
    async with boxed(database_url) as box:
        await box.notify(notification())
        [job] = await box.claim()
        box.clock.pass_(seconds=outbox.LEASE_SECONDS + 1)  # the database was away
        [again] = await box.claim()
        assert await box.record(job, Sent())
        assert not await box.record(again, Failed("no answer in time", warn=False, reached=True))
        box.clock.pass_(seconds=60)
        assert await box.claim() == []


async def test_a_pause_is_not_a_reason_to_look_again_at_once(database_url: str) -> None:
    async with boxed(database_url) as box:
        await box.notify(notification())
        wish = outbox.Claim(1, ROUTING.fingerprints(), ROUTING.known_fingerprints(), "oncall", ("oncall",))
        claimed = await box.writer.submit(outbox.claim, wish)
        assert (claimed.jobs, claimed.more, claimed.wait) == ((), False, None)


async def test_what_nobody_has_tried_to_send_waits_for_no_clock_that_was_set_back(database_url: str) -> None:
    async with boxed(database_url) as box:
        incident = await box.notify(notification())
        box.clock.pass_(seconds=-30)
        [job] = await box.claim()
        assert job.delivery.incident_id == incident
        assert await box.claim() == []  # it is leased by the clock of now


async def test_what_is_put_off_for_longer_than_anything_ever_is_goes_out_at_once(database_url: str) -> None:
    async with boxed(database_url) as box:
        await box.notify(notification())
        [job] = await box.claim()
        await box.record(job, Failed("no answer", warn=False, reached=True))
        box.clock.pass_(seconds=-50)
        assert await box.claim() == []
        box.clock.pass_(hours=-3)
        assert len(await box.claim()) == 1
