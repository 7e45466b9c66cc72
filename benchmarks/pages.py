"""How fast the pages are with many incidents open, very many past and 500 runbooks. Usage: `make bench`.

The service is a real process on SQLite. Fewer past ones than the default: `--past`.
"""

import argparse
import gzip
import time
from pathlib import Path
from typing import Any

import httpx
from past import RARE, fill

import load
import parts
import runbooks
from processes import Router, notification, wait_for
from results import keep, quantiles, say

OPEN = 300
PAST = 1_000_000
MANY_OPEN = 10_000
ROUNDS = 60
PATHS = {
    "open incidents": "/",
    "open incidents of one severity": "/?severity=critical&q=srv-1",
    "past incidents": "/?status=resolved",
    "a rare one among the past": f"/?status=resolved&q={RARE}",
    "report of eight weeks": "/report",
    "search in 500 runbooks": "/runbooks?q=kubectl",
    "search as one types": "/runbooks?q=kubething12",
    "API, 50 incidents": "/api/v1/incidents",
    "metrics": "/metrics",
}
Figures = dict[str, dict[str, float]]


def main() -> None:
    """Fill, measure, print, keep."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--past", type=int, default=PAST)
    past = arguments.parse_args().past
    figures: dict[str, Figures] = {}
    with parts.folder() as folder, parts.routers(folder, "sqlite", ALERTROUTER_RESOLVE_HOLD="0s") as (routers, sandbox):
        router = routers["sqlite"]
        _open(router, folder)
        incident = router.incidents(status="open", limit="1")[0]["id"]
        paths = {**PATHS, "an incident": f"/incidents/{incident}"}
        figures[f"{OPEN} open"] = _measure(router, paths)
        fill(router.database_url, past)
        figures[f"{OPEN} open, {past} past"] = _measure(router, paths)
        sandbox.fault("hang", count=10**9, seconds=600)
        load.post_all(router.url + parts.WEBHOOK, load.groups(folder, MANY_OPEN, 1).read_text().splitlines(), 16)
        figures[f"{MANY_OPEN} open, {past} past"] = _measure(router, {"metrics": "/metrics", "open incidents": "/"})
    for state, found in figures.items():
        say(f"\n{state}")
        for name, one in found.items():
            size = f"{one['kB']:.0f} kB, {one['kB on the wire']:.0f} kB on the wire"
            say(f"  {name:<32} p50 {one['p50']:6.1f} ms   p95 {one['p95']:6.1f} ms   {size}")
    keep("pages", figures)


def _open(router: Router, folder: Path) -> None:
    """Open incidents, one that is past, and the runbooks."""
    runbooks.write(folder / "sqlite" / "runbooks")
    for number in range(OPEN):
        router.post(notification(group=f"g{number}", instance=f"srv-{number}")).raise_for_status()
    for firing in (True, False):
        router.post(notification("Past", group="past", firing=firing)).raise_for_status()
    sections = f"{router.url}/readyz"
    wait_for("the runbooks", lambda: httpx.get(sections).json()["parts"]["runbooks"]["sections"] >= runbooks.FILES, 60)
    pending = f"{router.url}/api/v1/deliveries?state=pending&limit=1"
    wait_for("the pages", lambda: not httpx.get(pending).json()["deliveries"], 60)


def _measure(router: Router, paths: dict[str, str]) -> Figures:
    with httpx.Client(base_url=router.url, timeout=60) as http:
        return {name: _measured(http, path) for name, path in paths.items()}


def _measured(http: httpx.Client, path: str) -> dict[str, Any]:
    """Milliseconds, and the size of the page."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        body = http.get(path).raise_for_status().content
        seconds.append(time.perf_counter() - began)
    return {**quantiles(seconds), "kB": len(body) / 1000, "kB on the wire": len(gzip.compress(body)) / 1000}


if __name__ == "__main__":
    main()
