"""A storm: one body of 10,000 alerts, and 1,000 bodies of 100 alerts at once. Usage: `make bench`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

import load
import parts
from results import keep, say


def main() -> None:
    """Measure, print, keep."""
    figures = {}
    for database in parts.DATABASES:
        with parts.folder() as folder, parts.routers(folder, database) as (routers, sandbox):
            sandbox.fault("hang", count=10**9, seconds=600)
            url = routers[database].url + parts.WEBHOOK
            found: dict[str, float] = {}
            one = load.body("00000000", 10_000)
            for what, body in (("opening", one), ("repeat", one), ("resolve", load.body("00000000", 10_000, firing=False))):
                with _timed(found, f"one body of 10,000 alerts, {what}"):
                    httpx.post(url, content=body, timeout=60).raise_for_status()
            bodies = load.groups(folder, 1000, 100)
            with _timed(found, "1,000 bodies of 100 alerts, opening"):
                load.post_all(url, bodies.read_text().splitlines(), 64)
            figures[database] = found
            for name, seconds in found.items():
                say(f"{database:<9} {name:<40} {seconds:6.2f} s")
    keep("storm", figures)


@contextmanager
def _timed(found: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    found[name] = round(time.perf_counter() - began, 3)


if __name__ == "__main__":
    main()
