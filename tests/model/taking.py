"""How replicas take notifications in and escalate, as docs/promises.md 1, 2 and 5 say.

Two replicas get the same alert (an HA pair of senders, or a retry after a lost answer) and share one timer. A transaction reads
in one move, and decides and writes in another, so that the other replica may do anything in between; a replica may crash before
its commit, and the sender tries again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

GUARDS = frozenset(("row lock", "one latest", "due", "still open"))
"""What this part of the protocol rests on: the incident's row lock, the unique index on the latest episode, two conditions."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An episode: how many notifications it counts, and how often its step was taken."""

    is_open: bool = True
    counted: int = 0
    taken: int = 0
    paged_when_over: bool = False


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a replica has read and is about to decide on; None is no incident."""

    to: str
    read: Incident | None
    locks: bool


@dataclass(frozen=True, slots=True)
class World:
    """One incident key. `unsent` notifications are still with the senders; `accepted` ones were answered with 200."""

    guards: frozenset[str] = GUARDS
    faults: int = 1
    unsent: int = 3
    accepted: int = 0
    is_due: bool = False
    is_early: bool = False
    incidents: tuple[Incident, ...] = ()
    replicas: tuple[Transaction | None, ...] = (None, None)


def moves(world: World) -> Iterator[tuple[str, World]]:
    """All that may happen next."""
    if world.incidents and not world.is_due:
        yield "the step falls due", replace(world, is_due=True)
    for number, transaction in enumerate(world.replicas):
        if transaction is not None:
            yield f"replica {number} commits: {transaction.to}", _commit(world, number, transaction)
            if world.faults:
                yield f"replica {number} crashes before its commit", _ends(replace(world, faults=world.faults - 1), number)
            continue
        if world.unsent:
            yield from _begin(world, number, "take a notification in")
        if world.incidents:
            yield from _begin(world, number, "resolve")
            if world.is_due or "due" not in world.guards:
                yield from _begin(world, number, "take the step")


def _begin(world: World, number: int, to: str) -> Iterator[tuple[str, World]]:
    """Read, and lock what was read: whoever wants a locked row waits, or skips it where it is a timer."""
    is_locked = any(other is not None and other.locks for other in world.replicas)
    if is_locked and "row lock" in world.guards:
        return
    read = world.incidents[-1] if world.incidents else None
    yield f"replica {number} reads, to {to}", _has(world, number, Transaction(to, read, read is not None))


def _commit(world: World, number: int, transaction: Transaction) -> World:
    after = _ends(world, number)
    incident = transaction.read
    if transaction.to == "take a notification in":
        if incident is None:
            if world.incidents and "one latest" in world.guards:
                return after  # a conflict: it is done again
            return replace(_accepts(after), incidents=(*world.incidents, Incident(True, 1)))
        counted = replace(incident, counted=incident.counted + 1)
        return _accepts(_write(after, counted))
    assert incident is not None
    if transaction.to == "resolve":
        return _write(after, replace(incident, is_open=False))
    if incident.taken or (not incident.is_open and "still open" in world.guards):
        return after
    stepped = replace(incident, taken=world.incidents[-1].taken + 1, paged_when_over=not world.incidents[-1].is_open)
    return replace(_write(after, stepped), is_early=world.is_early or not world.is_due)


def _accepts(world: World) -> World:
    return replace(world, unsent=max(world.unsent - 1, 0), accepted=world.accepted + 1)


def _write(world: World, incident: Incident) -> World:
    return replace(world, incidents=(*world.incidents[:-1], incident))


def _has(world: World, number: int, transaction: Transaction | None) -> World:
    return replace(world, replicas=(*world.replicas[:number], transaction, *world.replicas[number + 1 :]))


def _ends(world: World, number: int) -> World:
    return _has(world, number, None)


ALWAYS: dict[str, Callable[[World], bool]] = {
    "one incident per episode": lambda world: len(world.incidents) <= 1,
    "every accepted notification counts": lambda world: sum(one.counted for one in world.incidents) == world.accepted,
    "a timer fires once": lambda world: all(one.taken <= 1 for one in world.incidents),
    "a timer never fires early": lambda world: not world.is_early,
    "nobody is paged for what is over": lambda world: not any(one.paged_when_over for one in world.incidents),
}


def ends_well(world: World) -> bool:
    """Everything that was sent is accepted."""
    return world.unsent == 0 and not any(world.replicas)
