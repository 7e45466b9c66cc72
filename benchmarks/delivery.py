"""From Alertmanager's POST to PagerDuty's receipt, idle and under many new incidents a second. One machine, one clock.

The sandbox that plays PagerDuty runs on the same processors. Usage: `make bench`.
"""

import argparse
import asyncio
import time
from typing import Any

import httpx

import load
import parts
from processes import Router, wait_for
from results import keep, quantiles, say

IDLE_PAGES = 300


def main() -> None:
    """Measure, print, keep."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--rate", type=int, default=200, help="new incidents a second")
    arguments.add_argument("--databases", nargs="+", default=parts.DATABASES)
    given = arguments.parse_args()
    figures = {}
    for database in given.databases:
        with parts.folder() as folder, parts.routers(folder, database) as (routers, sandbox):
            pages = parts.Pages(sandbox)
            idle = asyncio.run(posted(routers[database], pages, range(IDLE_PAGES), 20))
            found = {"idle": told(f"{database}, idle", routers[database], pages, idle)}
            numbers = range(IDLE_PAGES, IDLE_PAGES + given.rate * given.seconds)
            busy = asyncio.run(posted(routers[database], pages, numbers, given.rate))
            found["busy"] = told(f"{database}, {given.rate}/s for {given.seconds} s", routers[database], pages, busy)
            figures[database] = found
    keep("delivery", {"rate": given.rate, "seconds": given.seconds, **figures})


async def posted(router: Router, pages: parts.Pages, numbers: range, rate: int) -> dict[str, tuple[float, float]]:
    """For each incident, when its notification was posted and how long the 200 took: at this rate, come what may."""
    found: dict[str, tuple[float, float]] = {}
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=router.url, timeout=60, limits=limits) as http, asyncio.TaskGroup() as tasks:
        listening = asyncio.create_task(_listen(pages))  # the sandbox forgets all but the last 10,000
        began = time.monotonic()
        for place, number in enumerate(numbers):
            await asyncio.sleep(max(began + place / rate - time.monotonic(), 0))
            tasks.create_task(_post(http, load.body(f"{number:08d}"), found))
    listening.cancel()
    return found


async def _listen(pages: parts.Pages) -> None:
    while True:
        await asyncio.to_thread(pages.received)
        await asyncio.sleep(5)


async def _post(http: httpx.AsyncClient, body: str, found: dict[str, tuple[float, float]]) -> None:
    at = time.time()
    answer = await http.post(parts.WEBHOOK, content=body)
    found[answer.raise_for_status().json()["incidents"][0]] = (at, time.time() - at)


def told(what: str, router: Router, pages: parts.Pages, posted: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """Print how long answers and pages took, in milliseconds."""
    pending = f"{router.url}/api/v1/deliveries?state=pending&limit=1"
    wait_for("every page", lambda: not httpx.get(pending).json()["deliveries"], 120)
    received = pages.received()
    figures = {
        "answer": quantiles(seconds for _, seconds in posted.values()),
        "page": quantiles(received[incident] - at for incident, (at, _) in posted.items()),
    }
    for name, figure in figures.items():
        say(f"{what:<32} POST to {name:<7} p50 {figure['p50']:8.1f} ms   p99 {figure['p99']:8.1f} ms   n {figure['n']}")
    return figures


if __name__ == "__main__":
    main()
