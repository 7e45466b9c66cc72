"""PagerDuty is down for an hour of the service's time, with 5,000 incidents, and comes back. Usage: `make bench`.

Two kinds of being down: every answer is a 500, or none comes. An incident in ten is over before PagerDuty is back.
"""

import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

import load
import parts
from processes import Process, Router, Sandbox, ending, wait_for
from results import keep, say

INCIDENTS = 5000
HOUR_SECONDS = 60
SPEED = 3600 / HOUR_SECONDS
SEVERITIES = ("warning", "critical", "error")


class Fast(Router):
    """An alertrouter whose clock goes faster."""

    def start(self) -> None:
        """Start, and wait until it is ready."""
        program = str(Path(__file__).with_name("fast.py"))
        self.process = Process([sys.executable, program, str(SPEED)], self._env, self._folder / "alertrouter.log")
        self.process.wait_for("alertrouter to be ready", lambda: httpx.get(f"{self.url}/readyz").is_success)


def main() -> None:
    """Measure, print, keep."""
    figures = {}
    for mode in ("500", "hang"):
        with parts.folder() as folder:
            sandbox = Sandbox(folder)
            sandbox.fault(mode, count=10**9)
            router = Fast(folder, sandbox.url, f"sqlite:///{folder / 'bench.db'}", ALERTROUTER_ESCALATE_AFTER="24h")
            with ending(sandbox, router):
                figures[mode] = _outage(router, sandbox)
        for name, value in figures[mode].items():
            say(f"{mode:<5} {name:<60} {value}")
    keep("outage", figures)


def _outage(router: Router, sandbox: Sandbox) -> dict[str, Any]:
    began = time.perf_counter()
    load.post_all(router.url + parts.WEBHOOK, [_body(number) for number in range(INCIDENTS)], 16)
    accepted = time.perf_counter() - began
    over = [one["id"] for one in router.incidents(limit=str(INCIDENTS // 10))]
    for incident in over:
        httpx.post(f"{router.url}/api/v1/incidents/{incident}/resolve", json={"by": "bench"}).raise_for_status()
    time.sleep(max(HOUR_SECONDS - (time.perf_counter() - began), 0))
    attempts = Counter(one["event"]["dedup_key"] for one in sandbox.events())
    sandbox.heal()
    back_at = time.time()
    wait_for("everything that is owed", lambda: not _pending(router), 120)
    after = [(_at(one) - back_at, one["event"]) for one in sandbox.events() if _at(one) >= back_at]
    triggers = [event for _, event in after if event["event_action"] == "trigger"]
    ranks = [("critical", "error", "warning").index(one["payload"]["severity"]) for one in triggers]
    return {
        "accepted in, s": round(accepted, 1),
        "attempts in the hour (10,000 are kept)": attempts.total(),
        "incidents that were attempted": len(attempts),
        "pages after it": len(triggers),
        "pages twice": len(triggers) - len({one["dedup_key"] for one in triggers}),
        "pages of what was over": len({one["dedup_key"] for one in triggers} & set(over)),
        "first one after, s": round(after[0][0], 2),
        "all after, s": round(after[-1][0], 1),
        "places that a page was behind a less severe one, at most": _inversions(ranks),
        "most in one second": max(Counter(int(at) for at, _ in after).values()),
    }


def _at(received: Any) -> float:
    return datetime.fromisoformat(received["received_at"]).timestamp()


def _body(number: int) -> str:
    severity = SEVERITIES[number % len(SEVERITIES)]
    return load.body(f"{number:08d}", 1).replace('"severity":"critical"', f'"severity":"{severity}"')


def _pending(router: Router) -> list[Any]:
    found: list[Any] = httpx.get(f"{router.url}/api/v1/deliveries?state=pending&limit=1").json()["deliveries"]
    return found


def _inversions(ranks: list[int]) -> int:
    """How many less severe ones any page had before it."""
    return max((sum(other > rank for other in ranks[:place]) for place, rank in enumerate(ranks)), default=0)


if __name__ == "__main__":
    main()
