"""How the cost of a repeated notification grows: with connections, alerts a body, open and past incidents, replicas.

Usage: `make bench`; `make plots` draws what was kept.
"""

import argparse
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import past as history

import load
import parts
from processes import Router, Sandbox, ending, notification
from results import keep, say

Series = list[dict[str, Any]]
CONNECTIONS = (1, 4, 16, 64, 128)


def main() -> None:
    """Measure, print, keep."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=5)
    seconds = arguments.parse_args().seconds
    figures: dict[str, Series] = {}
    with parts.folder() as folder, parts.routers(folder, "sqlite", ALERTROUTER_RESOLVE_HOLD="0s") as (routers, sandbox):
        sandbox.fault("hang", count=10**9, seconds=600)
        router = routers["sqlite"]
        files = {alerts: load.groups(folder, 200, alerts) for alerts in (1, 5, 20, 100)}
        figures["connections"] = _series(router, ((many, load.groups(folder), many) for many in (1, 4, 16, 64, 128)), seconds)
        figures["alerts a body"] = _series(router, ((alerts, path, 16) for alerts, path in files.items()), seconds)
        figures["open incidents"] = _series(router, ((n, load.groups(folder, n), 64) for n in (500, 2000, 8000)), seconds)
        figures["past incidents"] = _past(router, folder, seconds)
    with parts.folder() as folder:
        figures["replicas"] = _replicas(folder, seconds)
    for name, series in figures.items():
        say(f"\n{name}")
        for row in series:
            say(f"  {row['x']:>9,}  {row['rate']:8.0f}/s   p50 {row['p50']:7.2f} ms   p99 {row['p99']:7.2f} ms")
    keep("growth", figures)


def _series(router: Router, points: Iterable[tuple[int, Path, int]], seconds: int) -> Series:
    """A row for each (x, bodies, connections)."""
    rows = []
    for x, bodies, connections in points:
        _open(router, bodies)
        rows.append({"x": x, **asdict(load.run(router.url + parts.WEBHOOK, bodies, connections, seconds))})
    return rows


def _open(router: Router, bodies: Path) -> None:
    told, count = 0, sum(1 for _ in bodies.open())
    while told < count:
        told += load.run(router.url + parts.WEBHOOK, bodies, 16, 1, told).requests


def _past(router: Router, folder: Path, seconds: int) -> Series:
    """With so many past incidents, copied from one."""
    for firing in (True, False):
        router.post(notification("Past", group="past", firing=firing)).raise_for_status()
    rows = []
    database = f"sqlite:///{folder / 'bench.db'}"
    for past in (0, 20_000, 100_000):
        if past:
            history.fill(database, past, first=1 if past == 20_000 else 20_001)
        rows += [{**_series(router, [(past, load.groups(folder), 64)], seconds)[0]}]
    return rows


def _replicas(folder: Path, seconds: int) -> Series:
    """One to four processes on one PostgreSQL, each asked by 16 connections at once."""
    rows: Series = []
    with parts.postgres(folder) as server, ExitStack() as stack:
        sandbox = Sandbox(folder)
        stack.enter_context(ending(sandbox))
        sandbox.fault("hang", count=10**9, seconds=600)
        address, bodies = parts.emptied(server, "bench"), load.groups(folder)
        replicas: list[Router] = []
        for count in range(1, 5):
            home = folder / f"replica-{count}"
            home.mkdir()
            replicas.append(Router(home, sandbox.url, address))
            stack.enter_context(ending(replicas[-1]))
            _open(replicas[0], bodies)
            runs = load.run_many([one.url + parts.WEBHOOK for one in replicas], bodies, 16, seconds)
            total = {
                "rate": sum(run.rate for run in runs),
                "p50": max(run.p50 for run in runs),
                "p99": max(run.p99 for run in runs),
            }
            rows.append({"x": count, **total, "errors": sum(run.errors for run in runs)})
    return rows


if __name__ == "__main__":
    main()
