"""More arrives than can be committed: 1,000 connections, each posting one new group of 100 alerts after another.

Usage: `make bench`. Beside them one sender as Alertmanager is: what it is answered, and when, is what overload costs others.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

import load
import parts
from alertrouter.store.database import Database
from processes import Router, notification, wait_for
from results import keep, quantiles, say

CONNECTIONS = 1000
ALERTS = 100
SECONDS = 30


def main() -> None:
    """Measure, print, keep."""
    figures = {}
    for database in parts.DATABASES:
        with parts.folder() as folder, parts.routers(folder, database) as (routers, sandbox):
            sandbox.fault("hang", count=10**9, seconds=600)
            figures[database] = _overload(routers[database], load.ever_new(folder, ALERTS))
        for name, value in figures[database].items():
            say(f"{database:<9} {name:<26} {value}")
    keep("overload", figures)


def _overload(router: Router, bodies: Path) -> dict[str, Any]:
    before = parts.rss(router)
    with _looked_at(router) as seen:
        run = load.run(router.url + parts.WEBHOOK, bodies, CONNECTIONS, SECONDS)
    ended = time.perf_counter()
    wait_for("a notification to be taken again", lambda: _told(router, "after").is_success)
    return {
        "answers": run.requests,
        "of them 503": run.errors,
        "accepted": run.requests - run.errors,
        "incidents": _count(router) - len(seen[True]) - 1,
        "beside it, ms to 2xx": _quantiles(seen[True]),
        "beside it, ms to 503": _quantiles(seen[False]),
        "accepted again after, s": round(time.perf_counter() - ended, 2),
        "RSS before, MB": before,
        "RSS at most, MB": max(seen["rss"]),
        "RSS after, MB": parts.rss(router),
    }


@contextmanager
def _looked_at(router: Router) -> Iterator[dict[Any, list[float]]]:
    """Every 200 ms the memory, and one small notification about a group of its own: the seconds of its answer, by success."""
    seen: dict[Any, list[float]] = {True: [], False: [], "rss": []}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            began = time.perf_counter()
            is_taken = _told(router, f"beside-{len(seen['rss'])}").is_success
            seen[is_taken].append(time.perf_counter() - began)
            seen["rss"].append(parts.rss(router))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def _told(router: Router, group: str) -> httpx.Response:
    return httpx.post(router.url + parts.WEBHOOK, json=notification(group=group), timeout=60)


def _quantiles(seconds: list[float]) -> dict[str, float]:
    return quantiles(seconds) if seconds else {"n": 0}


def _count(router: Router) -> int:
    database = Database(router.database_url)
    with database.engine.connect() as connection:
        count: int = connection.execute(text("SELECT count(*) FROM incident")).scalar_one()
    database.close()
    return count


if __name__ == "__main__":
    main()
