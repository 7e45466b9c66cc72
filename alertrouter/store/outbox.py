"""The outbox: claim what is due, record what became of it.

A lease is a due time in the future: whoever dies while sending loses it when that time comes. `attempts` is the fencing
token: the record of a lease that somebody else took over since changes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, exists, literal_column, or_, select, update
from sqlalchemy.sql import ClauseElement

from alertrouter import deliveries
from alertrouter.deliveries import Delivery, Job, Record, Trigger, is_superseded
from alertrouter.incidents import State
from alertrouter.moments import from_micros, to_micros
from alertrouter.pagerduty.outcomes import LONGEST_WAIT, Outcome
from alertrouter.runbooks.section import Section
from alertrouter.store import incidents, traces
from alertrouter.store.database import Transaction, is_among
from alertrouter.store.writer import locks_no_incident
from alertrouter.tables import DeliveryRow, SectionRow

LEASE_SECONDS = 20
"""Longer than one attempt can take (see `alertrouter.pagerduty.client`), in real time."""

_delivery: Any = DeliveryRow.__table__  # type: ignore[attr-defined]
_section: Any = SectionRow.__table__  # type: ignore[attr-defined]
_SECTION_COLUMNS = ("revision", "title", "path", "anchor", "line", "text", "unread_line")
_PENDING: Any = literal_column("'pending'")


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish for at most `limit` deliveries, none of them to the targets in `paused`.

    `keys` are the fingerprints of the targets' present routing keys, `known` those of all keys that can be used.
    `default_target` is paged instead of a target that is not there any more, if the incident's own is not there either.
    """

    limit: int
    keys: Mapping[str, str]
    known: frozenset[str]
    default_target: str
    paused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim gave. `more` says that another claim may give more at once; if not, `wait` is for how long, None for ever."""

    jobs: tuple[Job, ...]
    more: bool
    wait: timedelta | None = None


@locks_no_incident
def claim(tx: Transaction, wishes: Sequence[Claim]) -> list[Claimed]:
    """Lease deliveries that are due: the most severe first, then the oldest; one at a time for each dedup key."""
    return [_claim(tx, wish) for wish in wishes]


def _claim(tx: Transaction, wish: Claim) -> Claimed:
    now = to_micros(tx.now)
    longest = max(timedelta(seconds=LONGEST_WAIT), tx.database.clock.simulated(LEASE_SECONDS))
    far = to_micros(tx.now + longest)
    rows = tx.fetch(_select_due, now=now, far=far, paused=tx.array(wish.paused), most=wish.limit)
    due = [Delivery(row[0], row[1], row[2], row[3], row[4], row[5], bool(row[6]), bool(row[7]), row[8]) for row in rows]
    if not due:
        return Claimed((), False, _next_due(tx, wish))
    triggers = {
        key: Trigger(state, bool(unsure), fingerprint)
        for key, state, unsure, fingerprint in tx.fetch(_select_triggers, keys=tx.array({one.key for one in due}))
    }
    states = {state.incident.id: state for state in incidents.look_at(tx, {one.incident_id for one in due})}
    live: list[Delivery] = []
    over: list[Delivery] = []
    for one in due:
        incident = states[one.incident_id].incident
        flags = {"is_open": incident.is_open, "is_acknowledged": incident.has_acknowledged(one.key)}
        flags["is_resolved"] = incident.has_resolved(one.key)
        (over if is_superseded(one.action, triggers[one.key], **flags) else live).append(one)
    tx.run(_supersede, [{"b_id": one.id} for one in over])
    lease = to_micros(tx.now + tx.database.clock.simulated(LEASE_SECONDS))
    keys = {one.id: _routing_key_for(tx, one, triggers[one.key], states[one.incident_id], wish) for one in live}
    tx.run(
        _lease,
        [{"b_id": one.id, "attempts": one.attempts + 1, "due_at": lease, "key_fingerprint": keys[one.id]} for one in live],
    )
    sections = sections_of(tx, [states[one.incident_id] for one in live if one.action == "trigger"])
    owed_for = {row[0]: timedelta(microseconds=max(now - row[9], 0)) for row in rows}
    contexts = traces.recall(tx, {one.incident_id for one in live})
    jobs = [
        Job(one, states[one.incident_id], sections, keys[one.id], owed_for[one.id], traces.of_delivery(contexts, one))
        for one in live
    ]
    incidents.let_go(tx, states)  # most are only counted until they end
    more = bool(over) or len(due) == wish.limit
    return Claimed(tuple(jobs), more, None if more else _next_due(tx, wish))


def _routing_key_for(tx: Transaction, delivery: Delivery, trigger: Trigger, state: State, wish: Claim) -> str | None:
    """PagerDuty's dedup keys live inside a routing key: what one has triggered is acknowledged and resolved with it.

    A trigger to a target that the routing file has lost goes to the incident's own, or else to the default. After a restore
    nobody knows which key a trigger may have gone out with: the target's present one is the best guess.
    """
    is_set = delivery.action != "trigger" or (trigger.unsure and trigger.key_fingerprint in wish.known)
    if trigger.key_fingerprint and is_set:
        return trigger.key_fingerprint
    places = (delivery.target, state.incident.target, wish.default_target)
    paged = next((target for target in places if target in wish.keys), None)
    if paged and paged != delivery.target:
        incidents.tell(tx, delivery.incident_id, "target_missing", target=delivery.target, instead=paged)
    return wish.keys[paged] if paged else None


def sections_of(tx: Transaction, states: Sequence[State]) -> dict[str, Section]:
    """The sections of all members of these incidents, by revision."""
    revisions = {member.section for state in states for member in state.members.values() if member.section}
    if not revisions:
        return {}
    rows = tx.fetch(_select_sections, revisions=tx.array(revisions))
    return {row[0]: section_from(row) for row in rows}


def section_from(row: Sequence[Any]) -> Section:
    """The section of a row (`_SECTION_COLUMNS`), as an incident keeps it."""
    revision, title, path, anchor, line, text, unread_line = row
    return Section(title, "", path, anchor, line, text, revision, policy_line=unread_line)


@dataclass(frozen=True, slots=True)
class Hold:
    """A question: is this delivery still leased to whoever claimed it so, for `seconds` of real time at least?"""

    delivery: Delivery
    seconds: float


@locks_no_incident
def holds(tx: Transaction, asked: Sequence[Hold]) -> list[bool]:
    """By the database's clock and the fencing token."""
    return [_holds(tx, one) for one in asked]


def _holds(tx: Transaction, asked: Hold) -> bool:
    needed = tx.now + tx.database.clock.simulated(asked.seconds)
    rows = tx.fetch(_select_lease, id=asked.delivery.id, attempts=asked.delivery.attempts + 1, needed=to_micros(needed))
    return bool(rows)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of an attempt; `delay` is for what is to be tried again.

    `works_again` is the fingerprint of a routing key that this attempt has shown to work again: what waits for it waits no more.
    """

    delivery: Delivery
    outcome: Outcome
    delay: timedelta
    works_again: str | None = None


@locks_no_incident
def record(tx: Transaction, attempts: Sequence[Attempt]) -> list[bool]:
    """Write what came of attempts; False for one whose lease somebody else has taken over since, unless PagerDuty took it."""
    lines: list[incidents.Line] = []
    changed = [_record(tx, attempt, lines) for attempt in attempts]
    incidents.tell_all(tx, lines)
    return changed


def _record(tx: Transaction, attempt: Attempt, lines: list[incidents.Line]) -> bool:
    delivery = attempt.delivery
    new = deliveries.record(delivery, attempt.outcome, tx.now, attempt.delay)
    changed = tx.run_one(
        _write_sent if new.state == "sent" else _write_record,
        b_id=delivery.id,
        b_attempts=delivery.attempts + 1,
        state=new.state,
        due_at=to_micros(new.due_at),
        error=new.error,
        unsure=new.unsure,
        cut=new.cut,
        sent_at=new.sent_at and to_micros(new.sent_at),
    )
    if changed:
        lines += _told(delivery, new)
    if attempt.works_again:
        tx.run_one(_hurry, key=attempt.works_again, now=to_micros(tx.now))
        tx.deliveries = True
    return bool(changed)


def _told(delivery: Delivery, new: Record) -> Iterator[incidents.Line]:
    if new.state == "sent":
        if delivery.action == "trigger":
            yield delivery.incident_id, "paged", {"to": delivery.target, "key": delivery.key}
    elif new.state == "dead" or (new.cut and not delivery.cut):
        kind = "delivery_dead" if new.state == "dead" else "delivery_cut"
        yield delivery.incident_id, kind, {"action": delivery.action, "to": delivery.target, "error": new.error or ""}


def _next_due(tx: Transaction, wish: Claim) -> timedelta | None:
    """How long until the next delivery is due, without those that wait for an earlier one of their key or for a pause."""
    rows = tx.fetch(_select_next, paused=tx.array(wish.paused))
    return from_micros(rows[0][0]) - tx.now if rows else None


def _waits_for_earlier() -> Any:
    earlier = _delivery.alias("earlier")
    same = (earlier.c.dedup_key == _delivery.c.dedup_key, earlier.c.id < _delivery.c.id, earlier.c.state == _PENDING)
    return exists(select(earlier.c.id).where(*same))


def _select_due(postgres: bool) -> ClauseElement:
    """Nothing is put off before its first attempt, nor for longer than to `far`: there the clock has been set back since."""
    names = ("id", "incident_id", "target", "action", "dedup_key", "attempts", "unsure", "cut", "key_fingerprint", "created_at")
    return (
        select(*(_delivery.c[name] for name in names))
        .where(
            _delivery.c.state == _PENDING,
            or_(_delivery.c.due_at <= bindparam("now"), _delivery.c.due_at > bindparam("far"), _delivery.c.attempts == 0),
            ~is_among(_delivery.c.target, "paused", postgres),
            ~_waits_for_earlier(),
        )
        .order_by(_delivery.c.urgency, _delivery.c.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
    )


def _select_next(postgres: bool) -> ClauseElement:
    pending = (_delivery.c.state == _PENDING, ~is_among(_delivery.c.target, "paused", postgres), ~_waits_for_earlier())
    return select(_delivery.c.due_at).where(*pending).order_by(_delivery.c.due_at).limit(literal_column("1"))


def _select_triggers(postgres: bool) -> ClauseElement:
    columns = (_delivery.c.dedup_key, _delivery.c.state, _delivery.c.unsure, _delivery.c.key_fingerprint)
    triggers = _delivery.c.action == literal_column("'trigger'")
    return select(*columns).where(triggers, is_among(_delivery.c.dedup_key, "keys", postgres))


def _select_sections(postgres: bool) -> ClauseElement:
    columns = [_section.c[name] for name in _SECTION_COLUMNS]
    return select(*columns).where(is_among(_section.c.revision, "revisions", postgres))


def _supersede(_postgres: bool) -> ClauseElement:
    return update(_delivery).where(_delivery.c.id == bindparam("b_id")).values(state=literal_column("'superseded'"))


def _lease(_postgres: bool) -> ClauseElement:
    """Until the attempt is recorded, it may have reached PagerDuty."""
    values: dict[str, Any] = {name: bindparam(name) for name in ("attempts", "due_at", "key_fingerprint")}
    return update(_delivery).where(_delivery.c.id == bindparam("b_id")).values(**values, unsure=True, leased=True)


def _hurry(_postgres: bool) -> ClauseElement:
    """Not what is being sent: its due time is the end of a lease."""
    waits = (_delivery.c.state == _PENDING, _delivery.c.due_at > bindparam("now"), ~_delivery.c.leased)
    mine = _delivery.c.key_fingerprint == bindparam("key")
    return update(_delivery).where(*waits, mine).values(due_at=bindparam("now"))


def _select_lease(_postgres: bool) -> ClauseElement:
    mine = (_delivery.c.id == bindparam("id"), _delivery.c.attempts == bindparam("attempts"), _delivery.c.state == _PENDING)
    return select(_delivery.c.id).where(*mine, _delivery.c.due_at >= bindparam("needed"))


def _write_record(_postgres: bool) -> ClauseElement:
    return _write_if(_delivery.c.attempts == bindparam("b_attempts"))


def _write_sent(_postgres: bool) -> ClauseElement:
    """What PagerDuty took is sent, whoever holds the lease by now."""
    return _write_if(_delivery.c.attempts >= bindparam("b_attempts"))


def _write_if(fence: Any) -> ClauseElement:
    values: dict[str, Any] = {name: bindparam(name) for name in ("state", "due_at", "error", "unsure", "cut", "sent_at")}
    values["leased"] = False
    return update(_delivery).where(_delivery.c.id == bindparam("b_id"), fence, _delivery.c.state == _PENDING).values(values)
