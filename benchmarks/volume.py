"""Whether a million past incidents and 5,000 open ones slow anything down. Usage: `make bench`.

Two services are measured in turns, one with the 5,000 open ones alone and one with the past beside them. Fewer than the default:
`--past`.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
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


def main() -> None:
    """Measure, print, keep."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--past", type=int, default=PAST)
    arguments.add_argument("--databases", nargs="+", default=parts.DATABASES)
    given = arguments.parse_args()
    figures = {}
    for database in given.databases:
        with parts.folder() as folder, ExitStack() as stack:
            alone, beside = (stack.enter_context(_opened(folder / side, database)) for side in ("alone", "beside"))
            fill(beside.database_url, given.past)
            settle(alone.database_url)
            found = _measure((alone, beside), _bodies(folder))
        for name, (one, other) in found.items():
            say(f"{database:<9} {name:<50} {one:9.2f} {other:9.2f}   {other / one:5.2f}")
        figures[database] = found
    keep("volume", {"columns": ["open alone", f"and {given.past} past"], **figures})


@contextmanager
def _opened(folder: Path, database: str) -> Iterator[Router]:
    """A service with many open incidents that are paged, and a past one to copy. No runbook escalates them."""
    folder.mkdir()
    with parts.routers(folder, database, ALERTROUTER_RESOLVE_HOLD="0s") as (routers, _):
        router = routers[database]
        for firing in (True, False):
            router.post(notification("Past", group="past", firing=firing)).raise_for_status()
        load.post_all(router.url + parts.WEBHOOK, _bodies(folder).read_text().splitlines(), 16)
        pending = f"{router.url}/api/v1/deliveries?state=pending&limit=1"
        wait_for("the pages", lambda: not httpx.get(pending).json()["deliveries"], 300)
        yield router


def _bodies(folder: Path) -> Path:
    """Alerts that no runbook escalates."""
    path = load.groups(folder, OPEN, 1)
    path.write_text(path.read_text().replace("HighErrorRate", "Unknown"))
    return path


def _measure(routers: Sequence[Router], bodies: Path) -> dict[str, list[float]]:
    """Each figure for each of them, in turns."""
    figures = {"start until ready, s": _medians([partial(_start, router) for router in routers], STARTS)}
    repeats = [partial(_repeats, router, bodies) for router in routers]
    figures["repeats over 16 connections, ms per notification"] = _medians(repeats, 3)
    incidents = [router.incidents(status="open", limit="1")[0]["id"] for router in routers]
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=router.url, timeout=60)) for router in routers]
        for name, path in PAGES.items():
            figures[f"{name}, ms"] = _medians([partial(_page, http, path) for http in clients], ROUNDS)
        pages = [partial(_page, http, f"/incidents/{one}") for http, one in zip(clients, incidents, strict=True)]
        figures["an incident, ms"] = _medians(pages, ROUNDS)
        databases = [stack.enter_context(closing(Database(router.database_url))) for router in routers]
        for what, ask in {"due timers": _due_timers, "due deliveries": _due_deliveries}.items():
            figures[f"{what}, ms"] = _medians([partial(_asked, database, ask) for database in databases], ROUNDS)
    return figures


def _medians(measures: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    found = [[measure() for measure in measures] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*found, strict=True)]


def _start(router: Router) -> float:
    """Seconds."""
    router.process.stop(20)
    began = time.perf_counter()
    router.start()
    return time.perf_counter() - began


def _repeats(router: Router, bodies: Path) -> float:
    """Milliseconds for each."""
    return 1000 / load.run(router.url + parts.WEBHOOK, bodies, 16, 4).rate


def _page(http: httpx.Client, path: str) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    http.get(path).raise_for_status()
    return (time.perf_counter() - began) * 1000


def _asked(database: Database, ask: Callable[[Transaction], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    with database.transaction() as tx:
        ask(tx)
    return (time.perf_counter() - began) * 1000


def _due_timers(tx: Transaction) -> object:
    return timers.due(tx, 500, None), timers.next_due(tx)


def _due_deliveries(tx: Transaction) -> object:
    return outbox.claim(tx, [outbox.Claim(32, {}, frozenset(), "oncall")])


if __name__ == "__main__":
    main()
