"""Escalation policies: who is paged next, how long after the opening, and what stops it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Unless = Literal["acknowledged", "resolved"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a policy.

    `after` counts from the opening (or the re-arming) of the incident. `to` names a target, by name or alias;
    the empty string is the incident's own target. `unless` says what stops the step; a step of 0s has none.
    """

    after: timedelta
    to: str
    unless: Unless | None


@dataclass(frozen=True, slots=True)
class Policy:
    """The steps in the order of their times, and where they were read: `file.md:line`, `route` or `default`."""

    steps: tuple[Step, ...]
    source: str


def in_order(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Sort steps by their time, keeping the written order of those due together; a step of 0s loses its `unless`."""
    cleaned = (step if step.after else Step(step.after, step.to, None) for step in steps)
    return tuple(sorted(cleaned, key=lambda step: step.after))
