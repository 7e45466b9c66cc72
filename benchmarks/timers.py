"""How late the pages of 10,000 escalation steps are that fall due within 10 seconds. Usage: `make bench`.

A thousand incidents a second are opened by wrk's bodies with a step that is due a while later; the sandbox says when it got the
page of the step, the timeline when the step was due.
"""

import sqlite3
import time
from pathlib import Path

import load
import parts
from processes import wait_for
from results import keep, quantiles, say

TIMERS = 10_000
SPREAD_SECONDS = 10


def main() -> None:
    """Measure, print, keep."""
    with parts.folder() as folder, parts.routers(folder, "sqlite") as (routers, sandbox):
        router = routers["sqlite"]
        load.post_all(router.url + parts.WEBHOOK, [load.body(f"{n:08d}", 1) for n in range(TIMERS)], 16)
        pages = parts.Pages(sandbox)
        wait_for("the first pages", lambda: len(pages.received()) >= TIMERS, 300)
        router.process.stop()
        due = _set_timers(folder / "bench.db")
        router.start()
        wait_for("every step's page", lambda: len(_steps(pages)) >= TIMERS, 180)
        late = [at - due[incident] for incident, at in _steps(pages).items()]
    figures = {"timers": TIMERS, "within, s": SPREAD_SECONDS, "late, ms": quantiles(late), "early": sum(one < 0 for one in late)}
    say(str(figures))
    keep("timers", figures)


def _set_timers(path: Path) -> dict[str, float]:
    """When each incident's next step is due, from a little while after a start."""
    begin = time.time() + 5
    with sqlite3.connect(path) as database:
        ids = [row[0] for row in database.execute("SELECT id FROM incident")]
        due = {one: begin + place * SPREAD_SECONDS / len(ids) for place, one in enumerate(ids)}
        after = "UPDATE incident SET due_at = ?, armed_at = ? - 900000000 WHERE id = ?"  # the default policy: 15 minutes
        database.executemany(after, [(int(at * 1e6), int(at * 1e6), one) for one, at in due.items()])
    return due


def _steps(pages: parts.Pages) -> dict[str, float]:
    """When the page of each incident's step was received."""
    return {key.partition("/")[0]: at for key, at in pages.received().items() if "/" in key}


if __name__ == "__main__":
    main()
