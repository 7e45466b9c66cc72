"""Whether a million past incidents and 5,000 open ones slow anything down. Usage: `make bench`.

The same is measured twice, with the 5,000 open ones alone and with the past beside them. Fewer than the default: `--past`.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from past import RARE, fill, settle

import load
import parts
from alertrouter.store import outbox, timers
from alertrouter.store.database import Database, Transaction
from processes import Router, notification, wait_for
from results import keep, say

OPEN = 5000
PAST = 1_000_000
ROUNDS = 40
STARTS = 5
PAGES = {
    "open incidents": "/",
    "open ones, one severity and a text": "/?severity=critical&q=svc-1",
    "past incidents": "/?status=resolved",
    "a rare one among the past": f"/?status=resolved&q={RARE}",
    "API, 50 open": "/api/v1/incidents?status=open&limit=50",
    "metrics": "/metrics",
}
Figures = dict[str, float]


def main() -> None:
    """Measure, print, keep."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--past", type=int, default=PAST)
    arguments.add_argument("--databases", nargs="+", default=parts.DATABASES)
    given = arguments.parse_args()
    figures = {}
    for database in given.databases:
        with parts.folder() as folder, parts.routers(folder, database, ALERTROUTER_RESOLVE_HOLD="0s") as (routers, _):
            router = routers[database]
            address = router.database_url
            _open(router, folder)
            settle(address)
            before = _measure(router, folder, address)
            began = time.perf_counter()
            fill(address, given.past)
            say(f"{database}: {given.past:,} past incidents written in {time.perf_counter() - began:.0f} s")
            after = _measure(router, folder, address)
        for name in before:
            say(f"{database:<9} {name:<50} {before[name]:9.2f} {after[name]:9.2f}   {after[name] / before[name]:5.2f}")
        figures[database] = {"open alone": before, f"and {given.past} past": after}
    keep("volume", figures)


def _open(router: Router, folder: Path) -> None:
    """Many open incidents that are paged, and a past one to copy."""
    router.post(notification("Past", group="past")).raise_for_status()
    router.post(notification("Past", group="past", firing=False)).raise_for_status()
    load.post_all(router.url + parts.WEBHOOK, _bodies(folder).read_text().splitlines(), 16)
    pending = f"{router.url}/api/v1/deliveries?state=pending&limit=1"
    wait_for("the pages", lambda: not httpx.get(pending).json()["deliveries"], 300)


def _bodies(folder: Path) -> Path:
    """Alerts that no runbook escalates."""
    path = load.groups(folder, OPEN, 1)
    path.write_text(path.read_text().replace("HighErrorRate", "Unknown"))
    return path


def _measure(router: Router, folder: Path, address: str) -> Figures:
    figures = {"start until ready, s": statistics.median(_start(router) for _ in range(STARTS))}
    runs = [load.run(router.url + parts.WEBHOOK, _bodies(folder), 16, 4) for _ in range(3)]
    figures["repeats over 16 connections, ms per notification"] = 1000 / statistics.median(run.rate for run in runs)
    incident = router.incidents(status="open", limit="1")[0]["id"]
    with httpx.Client(base_url=router.url, timeout=60) as http:
        for name, path in {**PAGES, "an incident": f"/incidents/{incident}"}.items():
            figures[f"{name}, ms"] = _median(lambda path=path: http.get(path).raise_for_status())  # type: ignore[misc]
    database = Database(address)
    for what, ask in {"due timers": _due_timers, "due deliveries": _due_deliveries}.items():
        figures[f"{what}, ms"] = _median(lambda ask=ask: _asked(database, ask))  # type: ignore[misc]
    database.close()
    return figures


def _start(router: Router) -> float:
    router.process.stop(20)
    began = time.perf_counter()
    router.start()
    return time.perf_counter() - began


def _median(do: Callable[[], object]) -> float:
    """Milliseconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        do()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _asked(database: Database, ask: Callable[[Transaction], object]) -> None:
    with database.transaction() as tx:
        ask(tx)


def _due_timers(tx: Transaction) -> object:
    return timers.due(tx, 500, None), timers.next_due(tx)


def _due_deliveries(tx: Transaction) -> object:
    return outbox.claim(tx, [outbox.Claim(32, {}, frozenset(), "oncall")])


if __name__ == "__main__":
    main()
