"""How long a start takes, how much memory the service holds, what an idle one with many timers costs. Usage: `make bench`.

The packages have to be compiled, as pip does when it installs them: a start that compiles takes twice as long.
"""

import argparse
import os
import sqlite3
import time
from pathlib import Path

import load
import parts
from processes import Router
from results import keep, say

TIMERS = 100_000
IDLE_SECONDS = 60
"""Two readings of the figures for the metrics (`alertrouter.service`), which are most of what an idle service does."""


def main() -> None:
    """Measure, print, keep."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--notifications", type=int, default=1_000_000)
    given = arguments.parse_args()
    figures: dict[str, object] = {}
    with parts.folder() as folder, parts.routers(folder, "sqlite") as (routers, _):
        router = routers["sqlite"]
        figures["ready after, s"] = round(sorted(_start(router) for _ in range(5))[2], 2)
        figures["RSS at the start, MB"] = parts.rss(router)
        bodies, told, sizes = load.groups(folder), 0, []
        while told < given.notifications:
            told += load.run(router.url + parts.WEBHOOK, bodies, 16, 10, told).requests
            sizes.append((told, parts.rss(router)))
        figures["RSS after so many notifications, MB"] = sizes[:: max(len(sizes) // 10, 1)] + sizes[-1:]
        router.process.stop()
        _copy(folder / "bench.db", TIMERS)
        router.start()
        time.sleep(5)
        before = _cpu(router)
        time.sleep(IDLE_SECONDS)
        figures[f"idle with {TIMERS:,} timers, % of a core"] = round((_cpu(router) - before) / IDLE_SECONDS * 100, 2)
    for name, figure in figures.items():
        say(f"{name:<44} {figure}")
    keep("weight", figures)


def _start(router: Router) -> float:
    router.process.stop()
    began = time.perf_counter()
    router.start()
    return time.perf_counter() - began


def _cpu(router: Router) -> float:
    """Seconds of a processor that the process has used."""
    fields = Path(f"/proc/{router.process.popen.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _copy(path: Path, count: int) -> None:
    """Open incidents whose next step is due in a day, copied from one that the service made."""
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        row = dict(database.execute("SELECT * FROM incident LIMIT 1").fetchone())
        marks = ", ".join(f":{name}" for name in row)
        due = int((time.time() + 86_400) * 1e6)
        rows = (row | {"id": f"copy{n:09d}", "key": f"{n}", "subject_key": f"{n}", "due_at": due + n} for n in range(count))
        database.executemany(f"INSERT INTO incident ({', '.join(row)}) VALUES ({marks})", rows)


if __name__ == "__main__":
    main()
