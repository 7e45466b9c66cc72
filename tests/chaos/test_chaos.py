"""Real replicas, a real database and a sender that retries, while parts are killed, frozen, cut off and filled up."""

import asyncio
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.checker import PATIENCE, check, told
from chaos.plan import Database, Fault, Plan, make_plan
from chaos.run import run

SHORT: dict[Database, tuple[Fault, ...]] = {
    "sqlite": (
        Fault(0.1, "PagerDuty ill", 0, 0.5, "drop"),
        Fault(0.3, "clock", 0, 0.3, "-5"),
        Fault(0.6, "full", 0, 0.3),
        Fault(1, "locked", 0, 0.5),
        Fault(1.2, "freeze", 0, 0.5),
    ),
    "postgres": (
        Fault(0.1, "PagerDuty ill", 0, 0.5, "drop"),
        Fault(0.3, "clock", 0, 0.3, "3600"),
        Fault(0.6, "PagerDuty away", 0, 0.5, "stall and cut"),
        Fault(0.8, "database away", 0, 1, "delay"),
        Fault(1, "freeze", 1, 2.5),
    ),
}
"""Without what may leave a lease of 20 s to be waited for: tests/test_promises.py kills."""


def kept(plan: Plan, folder: Path, url: str = "") -> str:
    """Play, and fail where a promise was broken; what was found, for people."""
    history = asyncio.run(run(plan, folder, url))
    report = check(history)
    text = told(history, report, plan.seed)
    assert not report.broken, text
    return text


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_every_promise_is_kept_in_a_short_storm(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    plan = make_plan(random.randrange(2**32), database, stories=20, faults=0, seconds=1.5, patience=0, replicas=2, pace=0.1)
    url = request.getfixturevalue("postgres_url") if database == "postgres" else ""
    kept(replace(plan, faults=SHORT[database]), tmp_path, url)


@pytest.mark.chaos
@pytest.mark.parametrize(("database", "stories", "faults", "seconds"), [("sqlite", 1900, 80, 280), ("postgres", 9700, 230, 1080)])
def test_every_promise_is_kept_in_a_long_storm(
    database: Database, stories: int, faults: int, seconds: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan(random.randrange(2**32), database, stories, faults, seconds, PATIENCE + 5)
    text = kept(plan, tmp_path)
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")
