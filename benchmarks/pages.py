"""How fast the pages are with many incidents open and very many past. Usage: `make bench`, or with the number of past ones.

The service is a real process on SQLite.
"""

import gzip
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from past import RARE, fill

from processes import Router, Sandbox, ending, notification

OPEN = 300
PAST = 1_000_000
ROUNDS = 30
PATHS = {
    "open incidents": "/",
    "open incidents of one severity": "/?severity=critical&q=srv-1",
    "past incidents": "/?status=resolved",
    "a rare one among the past": f"/?status=resolved&q={RARE}",
    "report of eight weeks": "/report",
    "search in runbooks": "/runbooks?q=kubectl",
    "API, 50 incidents": "/api/v1/incidents",
    "metrics": "/metrics",
}


def main() -> None:
    """Fill, measure, print."""
    past = int(sys.argv[1]) if len(sys.argv) > 1 else PAST
    folder = Path(tempfile.mkdtemp())
    sandbox = Sandbox(folder)
    with ending(sandbox):
        router = Router(folder, sandbox.url, f"sqlite:///{folder}/bench.db", ALERTROUTER_RESOLVE_HOLD="0s")
        with ending(router):
            for number in range(OPEN):
                router.post(notification(group=f"g{number}", instance=f"srv-{number}")).raise_for_status()
            router.post(notification("Past", group="past")).raise_for_status()
            router.post(notification("Past", group="past", firing=False)).raise_for_status()
            time.sleep(2)
            report(router, 0)
            began = time.perf_counter()
            fill(f"sqlite:///{folder}/bench.db", past)
            say(f"{past:,} past incidents written in {time.perf_counter() - began:.0f} s")
            report(router, past)


def say(line: str) -> None:
    """To the terminal, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def report(router: Router, past: int) -> None:
    """Print what each page takes."""
    say(f"\n{OPEN} open, {past:,} past")
    incident = router.incidents(status="open", limit="1")[0]["id"]
    with httpx.Client(base_url=router.url, timeout=60) as http:
        for name, path in {**PATHS, "an incident": f"/incidents/{incident}"}.items():
            times = sorted(measure(http, path))
            body = http.get(path).content
            p95 = times[int(len(times) * 0.95) - 1]
            size = f"{len(body) / 1000:.0f} kB, {len(gzip.compress(body)) / 1000:.0f} kB on the wire"
            say(f"  {name:<32} p50 {statistics.median(times):6.1f} ms   p95 {p95:6.1f} ms   {size}")


def measure(http: httpx.Client, path: str) -> Iterator[float]:
    """Milliseconds of each round."""
    for _ in range(ROUNDS):
        began = time.perf_counter()
        http.get(path).raise_for_status()
        yield (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
