"""How fast the pages are with many incidents open and very many past. Usage: `make bench`, or with the number of past ones.

The service is a real process on SQLite; the past is copied row by row from incidents that it made itself.
"""

import gzip
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from alertrouter.incidents.ids import first_id
from alertrouter.moments import to_micros
from processes import Router, Sandbox, ending, notification

OPEN = 300
PAST = 1_000_000
ROUNDS = 30
RARE = "Needle"
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
            fill(folder / "bench.db", past)
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


def fill(path: Path, past: int, first: int = 1) -> None:
    """Copy the past incident, with its alert, story and deliveries, an incident a minute back in time."""
    connection = sqlite3.connect(path, timeout=60)
    connection.row_factory = sqlite3.Row
    [source] = connection.execute("SELECT id FROM incident WHERE status = 'resolved'").fetchone()
    for table, key in (("incident", "id"), ("alert", "incident_id"), ("timeline", "incident_id"), ("delivery", "incident_id")):
        rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table} WHERE {key} = ?", (source,))]
        if not rows:  # of a table that the incident has nothing in
            continue
        names = [name for name in rows[0] if not (name == "id" and table in {"timeline", "delivery"})]
        marks = ", ".join(f":{name}" for name in names)
        copies = (copied(row, number, key, table) for number in range(first, past + 1) for row in rows)
        connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", copies)
    connection.commit()
    connection.execute("ANALYZE")
    connection.close()


def copied(row: dict[str, object], number: int, key: str, table: str) -> dict[str, object]:
    """A row of the incident that stands so many minutes further back."""
    at = datetime.now(UTC) - timedelta(days=1, minutes=number)
    identity = f"{first_id(at)}{number:017d}"
    copy = {**row, key: identity}
    if table == "incident":
        shown = RARE if number % 400_000 == 0 else f"Past {number}"
        when = {"opened_at": to_micros(at), "armed_at": to_micros(at), "resolved_at": to_micros(at + timedelta(minutes=3))}
        copy |= {**when, "key": identity, "latest": 0, "title": shown}
    if table == "delivery":
        copy["dedup_key"] = identity
    return copy


if __name__ == "__main__":
    main()
