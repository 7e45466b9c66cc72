"""What a run plays and what it breaks: PURE. The same seed gives the same schedule."""

import random
from dataclasses import dataclass
from typing import Literal

HOLD_SECONDS = 2.0
STEP_SECONDS = 4.0
"""As in the runbook of `HighErrorRate` (tests/processes.py): to engineering, unless resolved."""

Shape = Literal["plain", "stepped", "brief", "flapping", "growing", "again", "acknowledged"]
FaultKind = Literal[
    "kill",
    "freeze",
    "clock",
    "database restart",
    "failover",
    "database away",
    "PagerDuty away",
    "PagerDuty ill",
    "locked",
    "full",
]
Database = Literal["sqlite", "postgres"]
SHAPES: dict[Shape, int] = {"plain": 4, "stepped": 3, "brief": 2, "flapping": 2, "growing": 2, "again": 1, "acknowledged": 2}
ILLNESSES = ("500", "429", "401", "hang", "drop", "slow", "html", "empty")
PARTITIONS = ("cut", "stall", "stall and cut", "delay")
KINDS: dict[Database, dict[FaultKind, int]] = {
    "postgres": {
        "kill": 6,
        "freeze": 5,
        "clock": 2,
        "database restart": 2,
        "failover": 1,
        "database away": 6,
        "PagerDuty away": 4,
        "PagerDuty ill": 5,
    },
    "sqlite": {"kill": 5, "freeze": 3, "clock": 3, "PagerDuty away": 4, "PagerDuty ill": 5, "locked": 2, "full": 2},
}

CLOCKS: dict[Database, tuple[int, ...]] = {"postgres": (-3600, -30, 30, 3600), "sqlite": (-30, -5, 5, 30)}
"""By how many seconds a clock is set. On PostgreSQL it does not count; on SQLite what is due comes late or early by as much."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happens in a story, `wait` seconds after the one before was accepted.

    A notification with these alerts; `twice` if both of a pair of Alertmanagers send it. Or, with neither, an acknowledgement.
    """

    wait: float
    firing: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """What Alertmanager tells about one group, from its first alert to its last end: one episode, or two."""

    group: str
    shape: Shape
    alert: str
    starts: float
    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something breaks at `at` for `seconds`: `who` is a replica's number, `how` a detail of the kind."""

    at: float
    kind: FaultKind
    who: int
    seconds: float
    how: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule. `patience` is how long a story waits for a step that is due before it ends."""

    seed: int
    database: Database
    replicas: int
    patience: float
    stories: tuple[Story, ...]
    faults: tuple[Fault, ...]


def make_plan(
    seed: int, database: Database, stories: int, faults: int, seconds: float, patience: float, replicas: int = 3, pace: float = 1
) -> Plan:
    """So many stories and faults, spread over so many seconds. What takes its time in a story takes `pace` times as long."""
    dice = random.Random(seed)
    replicas = replicas if database == "postgres" else 1
    told = [_story(dice, number, dice.uniform(0, seconds), patience, pace) for number in range(stories)]
    broken = [_fault(dice, database, dice.uniform(0, seconds), replicas) for _ in range(faults)]
    in_order = sorted(broken, key=lambda fault: fault.at)
    return Plan(seed, database, replicas, patience, tuple(sorted(told, key=lambda story: story.starts)), tuple(in_order))


def _story(dice: random.Random, number: int, starts: float, patience: float, pace: float) -> Story:
    shape = dice.choices(list(SHAPES), list(SHAPES.values()))[0]
    alert = "HighErrorRate" if shape == "stepped" or dice.random() < 0.2 else "NoRunbook"
    acts = tuple(
        Act(wait, firing, resolved, dice.random() < 0.2) for wait, firing, resolved in _acts(dice, shape, patience, pace)
    )
    return Story(f"g{number}", shape, alert, starts, acts)


def _acts(
    dice: random.Random, shape: Shape, patience: float, pace: float
) -> list[tuple[float, tuple[str, ...], tuple[str, ...]]]:
    soon, later = pace * dice.uniform(0.2, 2), pace * dice.uniform(1, 6)
    a, both, none = ("a",), ("a", "b"), ()
    acts: dict[Shape, list[tuple[float, tuple[str, ...], tuple[str, ...]]]] = {
        "plain": [(0, a, none), (soon, a, none), (later, none, a)],
        "stepped": [(0, a, none), (soon, a, none), (STEP_SECONDS + patience, none, a)],
        "brief": [(0, a, none), (0.05, none, a)],
        "flapping": [(0, a, none), (later, none, a), (HOLD_SECONDS / 4, a, none), (soon, none, a)],
        "growing": [(0, a, none), (soon, both, none), (soon, ("b",), a), (later, none, both)],
        "again": [(0, a, none), (soon, none, a), (HOLD_SECONDS + later, a, none), (soon, none, a)],
        "acknowledged": [(0, a, none), (soon, none, none), (later, both, none), (soon, none, both)],
    }
    return acts[shape]


def _fault(dice: random.Random, database: Database, at: float, replicas: int) -> Fault:
    kind = dice.choices(list(KINDS[database]), list(KINDS[database].values()))[0]
    who, seconds = dice.randrange(replicas), dice.uniform(0.2, 6)
    how = ""
    if kind == "freeze":
        seconds = dice.choice([0.5, 3.0, 8.0, 24.0])  # the last is longer than a lease
    elif kind == "clock":
        how = str(dice.choice(CLOCKS[database]))
    elif kind in {"database away", "PagerDuty away"}:
        how = dice.choice(PARTITIONS)
    elif kind == "PagerDuty ill":
        how = dice.choice(ILLNESSES)
    return Fault(at, kind, who, seconds, how)
