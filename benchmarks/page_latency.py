"""From Alertmanager's POST to PagerDuty's receipt: real processes on loopback, SQLite with `synchronous=FULL`.

Prints, for notifications that each open an incident, sent one after the other: how long the 200 took, and how long it took
until the sandbox had received the page. One machine, one clock. Usage: `make bench`.
"""

import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

import httpx

from processes import Router, Sandbox, ending, notification, wait_for

PAGES = 300


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sandbox = Sandbox(folder)
        with ending(sandbox):
            router = Router(folder, sandbox.url, f"sqlite:///{folder / 'bench.db'}")
            with ending(router), httpx.Client() as http:
                posted, answered = _post(http, router.url)
                wait_for("every page", lambda: len(sandbox.events()) >= PAGES, 60)
                received = {one["event"]["dedup_key"]: _seconds(one["received_at"]) for one in sandbox.events()}
    _print("POST to 200", answered)
    _print("POST to PagerDuty", [received[incident] - at for incident, at in posted.items()])


def _post(http: httpx.Client, url: str) -> tuple[dict[str, float], list[float]]:
    """When each incident's notification was posted, and how long each answer took."""
    posted, answered = {}, []
    for number in range(PAGES):
        body = notification("NoRunbook", group=f"{number}", instance=f"{number}")
        at = time.time()
        answer = http.post(f"{url}/webhooks/alertmanager", json=body)
        answered.append(time.time() - at)
        posted[answer.raise_for_status().json()["incidents"][0]] = at
        time.sleep(0.01)
    return posted, answered


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _print(what: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(f"{what:<20} p50 {statistics.median(ordered) * 1000:6.1f} ms   p99 {p99 * 1000:6.1f} ms   n {len(ordered)}")  # noqa: T201


if __name__ == "__main__":
    main()
