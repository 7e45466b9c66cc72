"""How replicas send one incident's events: claim, lease, send, record, resolve, merge; as docs/promises.md 2, 4 and 10 say.

The outbox has the trigger and, once the incident is over, its resolve. Replicas do one thing at a time, in any order, and may
crash or freeze at any point; answers get lost; people act in PagerDuty. Faults are counted, so that there is an end to them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

GUARDS = frozenset(("order", "supersede", "owed", "lease", "lease check", "fence", "relink"))
"""What the protocol rests on; a test takes each away."""
FAULTS = 2
"""How many crashes, freezes and lost answers there are in one history."""
MOST_ATTEMPTS = 2 + FAULTS
"""More than so many faults can cause; without a guard they might go on for ever."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the outbox. `attempts` is the fencing token."""

    state: Literal["pending", "sent", "superseded"] = "pending"
    attempts: int = 0
    leased: bool = False
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Replica:
    """What a replica knows: which delivery it has claimed, with which token, and what came of sending it."""

    doing: Literal["nothing", "claimed", "cleared", "answered", "unanswered", "not sent"] = "nothing"
    what: int = 0
    token: int = 0
    was_unsure: bool = False


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """One dedup key there. `notified` counts how often people were; `is_overtaken`: a trigger came after a resolve of ours."""

    alert: Literal["none", "open", "resolved"] = "none"
    notified: int = 0
    resolve_came: bool = False
    is_overtaken: bool = False
    is_merged: bool = False
    webhooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    """The database, two replicas and PagerDuty. `tried` is whether the trigger had an attempt when the incident was over."""

    guards: frozenset[str] = GUARDS
    faults: int = FAULTS
    people_act_there: bool = False
    freezes_in_the_window: bool = False
    is_open: bool = True
    tried: bool | None = None
    linked_to: Literal["own", "other"] = "own"
    outbox: tuple[Delivery, ...] = (Delivery(),)
    replicas: tuple[Replica, ...] = (Replica(), Replica())
    pagerduty: PagerDuty = PagerDuty()


def moves(world: World) -> Iterator[tuple[str, World]]:
    """All that may happen next."""
    if world.is_open:
        yield "the alert is over", _over(world, (*world.outbox, Delivery()))
    for number, replica in enumerate(world.replicas):
        for told, after in _acts(world, number, replica):
            yield f"replica {number} {told}", after
    for number in range(len(world.outbox)):
        yield from _lease_ends(world, number)
    if world.people_act_there:
        yield from _people(world)
    if world.pagerduty.webhooks:
        yield _hear(world)


def _acts(world: World, number: int, replica: Replica) -> Iterator[tuple[str, World]]:
    if replica.doing == "nothing":
        for what in range(len(world.outbox)):
            yield from _claim(world, number, what)
        return
    if world.faults:
        yield "crashes", _does(replace(world, faults=world.faults - 1), number, Replica())
    if replica.doing == "claimed":
        yield from _clear(world, number, replica)
    elif replica.doing == "cleared":
        yield from _send(world, number, replica)
    else:
        yield "records", _record(world, number, replica)


def _claim(world: World, number: int, what: int) -> Iterator[tuple[str, World]]:
    delivery = world.outbox[what]
    waits = "order" in world.guards and any(one.state == "pending" for one in world.outbox[:what])
    is_leased = delivery.leased and "lease" in world.guards
    if delivery.state != "pending" or is_leased or waits or delivery.attempts == MOST_ATTEMPTS:
        return
    if _is_superseded(world, what):
        yield f"supersedes the {_name(what)}", _write(world, what, replace(delivery, state="superseded"))
        return
    token = delivery.attempts + 1
    leased = _write(world, what, replace(delivery, attempts=token, leased=True, unsure=True))
    yield f"claims the {_name(what)}", _does(leased, number, Replica("claimed", what, token, delivery.unsure))


def _is_superseded(world: World, what: int) -> bool:
    trigger = world.outbox[0]
    if _name(what) == "trigger":
        return "supersede" in world.guards and not world.is_open
    return trigger.state != "sent" and not (trigger.unsure and "owed" in world.guards)


def _clear(world: World, number: int, replica: Replica) -> Iterator[tuple[str, World]]:
    """Look at the lease, and go on to send; a freeze between the two is the window that remains."""
    delivery = world.outbox[replica.what]
    holds = delivery.state == "pending" and delivery.leased and delivery.attempts == replica.token
    if "lease check" in world.guards and not holds:
        yield "finds its lease over", _does(world, number, replace(replica, doing="not sent"))
        return
    cleared = _does(world, number, replace(replica, doing="cleared"))
    if world.freezes_in_the_window:
        yield "finds its lease good", cleared
    else:
        yield from _send(cleared, number, cleared.replicas[number])


def _send(world: World, number: int, replica: Replica) -> Iterator[tuple[str, World]]:
    there = world.pagerduty
    if _name(replica.what) == "trigger":
        opens = there.alert != "open"
        if opens:
            webhooks = (*there.webhooks, "triggered") if world.people_act_there else ()
            there = PagerDuty("open", there.notified + 1, there.resolve_came, there.resolve_came, webhooks=webhooks)
    else:
        there = replace(there, alert="resolved" if there.alert == "open" else there.alert, resolve_came=True)
    sent = replace(world, pagerduty=there)
    name = _name(replica.what)
    yield f"sends the {name}", _does(sent, number, replace(replica, doing="answered"))
    if world.faults:
        fewer = world.faults - 1
        lost = _does(replace(sent, faults=fewer), number, replace(replica, doing="unanswered"))
        yield f"sends the {name}, and the answer is lost", lost
        failed = _does(replace(world, faults=fewer), number, replace(replica, doing="not sent"))
        yield f"cannot reach PagerDuty with the {name}", failed


def _record(world: World, number: int, replica: Replica) -> World:
    """What PagerDuty took is sent, whoever holds the lease; anything else counts only with the newest token."""
    delivery = world.outbox[replica.what]
    world = _does(world, number, Replica())
    is_old = "fence" in world.guards and delivery.attempts != replica.token
    if replica.doing == "answered" and delivery.state == "pending":
        return _write(world, replica.what, replace(delivery, state="sent", leased=False, unsure=False))
    if delivery.state != "pending" or is_old:
        return world
    unsure = replica.was_unsure or replica.doing == "unanswered"
    return _write(world, replica.what, replace(delivery, state="pending", leased=False, unsure=unsure))


def _lease_ends(world: World, number: int) -> Iterator[tuple[str, World]]:
    """It outlasts whoever works: to end under somebody, the replica was frozen."""
    delivery = world.outbox[number]
    if not delivery.leased or delivery.state != "pending":
        return
    is_held = any((one.what, one.token) == (number, delivery.attempts) and one.doing != "nothing" for one in world.replicas)
    after = _write(world, number, replace(delivery, leased=False))
    if not is_held:
        yield f"the lease of the {_name(number)} ends", after
    elif world.faults:
        yield f"the lease of the {_name(number)} ends under a frozen replica", replace(after, faults=world.faults - 1)


def _people(world: World) -> Iterator[tuple[str, World]]:
    there = world.pagerduty
    if there.alert != "open":
        return
    if not there.is_merged:
        merged = replace(there, is_merged=True, webhooks=(*there.webhooks, "merged"))
        yield "somebody merges it into another incident in PagerDuty", replace(world, pagerduty=merged)
    of = "resolved other" if there.is_merged else "resolved own"
    resolved = replace(there, alert="resolved", webhooks=(*there.webhooks, of))
    yield "somebody resolves it in PagerDuty", replace(world, pagerduty=resolved)


def _hear(world: World) -> tuple[str, World]:
    news, *later = world.pagerduty.webhooks
    heard = replace(world, pagerduty=replace(world.pagerduty, webhooks=tuple(later)))
    if news == "triggered" or (news == "merged" and "relink" in world.guards):
        heard = replace(heard, linked_to="own" if news == "triggered" else "other")
    elif news == f"resolved {world.linked_to}" and world.is_open:
        heard = _over(heard, heard.outbox)  # PagerDuty knows: nobody has to tell it
    return f"the webhook comes: {news}", heard


def _over(world: World, outbox: tuple[Delivery, ...]) -> World:
    return replace(world, is_open=False, tried=world.outbox[0].attempts > 0, outbox=outbox)


def _write(world: World, what: int, delivery: Delivery) -> World:
    return replace(world, outbox=(*world.outbox[:what], delivery, *world.outbox[what + 1 :]))


def _does(world: World, number: int, replica: Replica) -> World:
    return replace(world, replicas=(*world.replicas[:number], replica, *world.replicas[number + 1 :]))


def _name(what: int) -> str:
    return "resolve" if what else "trigger"


ALWAYS: dict[str, Callable[[World], bool]] = {
    "one page per episode and target": lambda world: world.pagerduty.notified <= 1,
    "a resolve never overtakes its trigger": lambda world: not world.pagerduty.is_overtaken,
    "a trigger with no attempt is superseded when the incident is over": lambda world: (
        world.tried is not False or world.pagerduty.notified == 0
    ),
    "PagerDuty's word counts": lambda world: (
        not world.is_open or world.pagerduty.alert != "resolved" or bool(world.pagerduty.webhooks)
    ),
    "one delivery at a time for each key, where nothing fails": lambda world: (
        world.faults < FAULTS or sum(one.doing != "nothing" for one in world.replicas) <= 1
    ),
}


def ends_well(world: World) -> bool:
    """Nothing is owed any more, and PagerDuty shows what is true."""
    if any(one.state == "pending" for one in world.outbox) or world.pagerduty.webhooks:
        return False
    return world.pagerduty.alert == "open" if world.is_open else world.pagerduty.alert != "open"
