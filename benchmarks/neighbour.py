"""A neighbour on the same bodies: Alerta, from its package, on PostgreSQL, in turns with alertrouter on another database.

It is installed into an environment of its own (`dist/alerta`) the first time; where that cannot be done, this says so and ends.
gunicorn with four workers, as its manual shows; its other settings as they come, without signing in. Usage: `make bench`.
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

import httpx

import load
import parts
from processes import Process, Router, Sandbox, ending, free_port
from results import keep, say

PACKAGES = ("alerta-server[postgres]==9.1.0", "gunicorn==23.0.0", "setuptools<81")
PLACE = Path("dist/alerta")
CONNECTIONS = (1, 16, 64)
WORKERS = 4


class Alerta:
    """Its server."""

    webhook = "/webhooks/prometheus"

    def __init__(self, folder: Path, database: str) -> None:
        self._env = {"DATABASE_URL": database, "AUTH_REQUIRED": "0"}
        self._log = folder / "alerta.log"
        self._start(1)  # which makes the tables: several at once stumble over each other
        self.process.stop()
        self._start(WORKERS)

    def _start(self, workers: int) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        program = [str(PLACE / "bin" / "gunicorn"), f"-w{workers}", f"-b127.0.0.1:{port}", "alerta.app:create_app()"]
        self.process = Process(program, self._env, self._log)
        self.process.wait_for("Alerta", lambda: httpx.get(f"{self.url}/management/healthcheck").is_success)


def main() -> None:
    """Measure, print, keep."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=5)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    if not _installed():
        say("Alerta cannot be installed here: nothing is compared")
        return
    with parts.folder() as folder, parts.postgres(folder) as server:
        alerta, sandbox = Alerta(folder, parts.emptied(server, "alerta")), Sandbox(folder)
        router = Router(folder, sandbox.url, parts.emptied(server, "bench"))
        with ending(alerta, sandbox, router):
            sandbox.fault("hang", count=10**9, seconds=600)
            urls = {"alertrouter": router.url + parts.WEBHOOK, "Alerta": alerta.url + Alerta.webhook}
            bodies = load.groups(folder)
            for url in urls.values():
                load.post_all(url, bodies.read_text().splitlines(), 1)  # with several at once Alerta answers some with 500
            rows = [_turns(urls, bodies, connections, given.seconds, given.rounds) for connections in CONNECTIONS]
            alerta.process.stop()
    keep("neighbour", rows)


def _installed() -> bool:
    python = PLACE / "bin" / "python"
    commands = [
        [sys.executable, "-m", "uv", "venv", "--quiet", "--allow-existing", str(PLACE)],
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), *PACKAGES],
    ]
    return all(subprocess.run(command, check=False, timeout=300).returncode == 0 for command in commands)


def _turns(urls: dict[str, str], bodies: Path, connections: int, seconds: int, rounds: int) -> dict[str, float]:
    runs: dict[str, list[load.Run]] = {name: [] for name in urls}
    for _ in range(rounds):
        for name, url in urls.items():
            runs[name].append(load.run(url, bodies, connections, seconds))
    pairs = zip(*([run.rate for run in found] for found in runs.values()), strict=True)
    row: dict[str, float] = {
        "connections": connections,
        "times": round(statistics.median(our / their for our, their in pairs), 1),
    }
    for name, found in runs.items():
        run = sorted(found, key=lambda one: one.rate)[len(found) // 2]
        figures = f"{run.rate:8.0f}/s   p50 {run.p50:8.2f} ms   p99 {run.p99:8.2f} ms"
        errors = sum(one.errors for one in found)
        say(f"{connections:>3} connections  {name:<12} {figures}   no 2xx {errors}")
        row |= {
            f"{name}, /s": round(run.rate, 1),
            f"{name}, p50 ms": run.p50,
            f"{name}, p99 ms": run.p99,
            f"{name}, no 2xx": errors,
        }
    say(f"{connections:>3} connections  {row['times']:g} times the rate")
    return row


if __name__ == "__main__":
    main()
