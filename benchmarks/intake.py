"""How fast notifications are taken in, as ratios to an endpoint that does nothing.

Bodies of 5 alerts (3.7 kB) over 2,000 groups, posted by wrk: each is committed before its answer. All endpoints run at once and
are measured in turns of a few seconds, so that whatever else the machine does slows all of them; shown are medians.

Usage: `make bench` or `make bench-quick`; `--seconds` and `--rounds` say how long and how often.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import load
import parts
from load import Run
from processes import ending
from results import keep, machine, say

CONNECTIONS = (1, 16, 64)


Measured = list[dict[str, Any]]


def main() -> None:
    """Measure, print, keep."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=5)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--databases", nargs="+", default=parts.DATABASES)
    arguments.add_argument("--keep", default="intake")
    given = arguments.parse_args()
    say(", ".join(f"{name} {value}" for name, value in machine().items()))
    with parts.folder() as folder:
        noop = parts.Noop(folder)
        with ending(noop), parts.routers(folder, *given.databases) as (routers, sandbox):
            sandbox.fault("hang", count=10**9, seconds=600)  # what is owed to PagerDuty waits: the cost of the intake alone
            urls = {"no-op": noop.url, **{name: router.url for name, router in routers.items()}}
            figures = repeats(folder, urls, given.seconds, given.rounds)
            figures += new_and_resolved(folder, urls, given.seconds, given.rounds)
    keep(given.keep, figures)


def repeats(folder: Path, urls: dict[str, str], seconds: int, rounds: int) -> Measured:
    """Notifications that tell nothing new."""
    bodies = load.groups(folder)
    for url in urls.values():  # the first round opens the incidents
        told = 0
        while told < load.GROUPS:
            told += load.run(url + parts.WEBHOOK, bodies, 16, 1, told).requests
    rows = []
    for connections in CONNECTIONS:
        rows += _turns("repeat", urls, connections, rounds, lambda _, url, c=connections: load.run(url, bodies, c, seconds))  # type: ignore[misc]
    return rows


def new_and_resolved(folder: Path, urls: dict[str, str], seconds: int, rounds: int, connections: int = 64) -> Measured:
    """Every request opens an incident; then every request resolves one of those."""
    bodies = {"new": load.ever_new(folder), "resolve": load.ever_new(folder, firing=False)}
    told = {kind: dict.fromkeys(urls, 0) for kind in bodies}

    def once(kind: str, name: str, url: str, seconds: int) -> Run:
        run = load.run(url, bodies[kind], connections, seconds, told[kind][name])
        told[kind][name] += run.requests + connections  # those that were on their way at the end are not counted
        return run

    rows = _turns("new", urls, connections, rounds, lambda name, url: once("new", name, url, seconds))
    rows += _turns("resolve", urls, connections, rounds, lambda name, url: once("resolve", name, url, max(seconds // 2, 1)))
    for name in urls.keys() - {"no-op"}:
        if told["resolve"][name] > told["new"][name]:
            say(f"{name}: only {told['new'][name]} of {told['resolve'][name]} resolves were about an open incident")
    return rows


def _turns(kind: str, urls: dict[str, str], connections: int, rounds: int, once: Callable[[str, str], Run]) -> Measured:
    runs: dict[str, list[Run]] = {name: [] for name in urls}
    for _ in range(rounds):
        for name, url in urls.items():
            runs[name].append(once(name, url + parts.WEBHOOK))
    middle = {name: _median(found) for name, found in runs.items()}
    say(f"\n{kind}, {connections} connections")
    rows = []
    for name, run in middle.items():
        ratio = statistics.median(run.rate / idle.rate for run, idle in zip(runs[name], runs["no-op"], strict=True))
        say(f"  {name:<10} {run.rate:8.0f}/s  {ratio:5.2f}   p50 {run.p50:6.2f} ms   p99 {run.p99:6.2f} ms   errors {run.errors}")
        rows.append({"kind": kind, "connections": connections, "endpoint": name, "ratio": round(ratio, 3), **asdict(run)})
    return rows


def _median(runs: list[Run]) -> Run:
    return Run(
        int(statistics.median(run.requests for run in runs)),
        round(statistics.median(run.rate for run in runs), 1),
        round(statistics.median(run.p50 for run in runs), 3),
        round(statistics.median(run.p99 for run in runs), 3),
        sum(run.errors for run in runs),
    )


if __name__ == "__main__":
    main()
