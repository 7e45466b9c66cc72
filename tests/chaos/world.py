"""The parts that are broken: replicas, their ways to the database and to PagerDuty, and PagerDuty itself."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

import httpx
import psycopg
from sqlalchemy import make_url

from chaos.checker import Heard, Owed
from chaos.plan import HOLD_SECONDS, Database
from chaos.proxy import Proxy
from chaos.servers import Pair
from processes import Process, Router, Sandbox

_ACCEPTING = {None, "drop", "slow", "empty"}
_TESTS = Path(__file__).parent.parent
_READY_SECONDS = 300.0
_DISK_MEGABYTES = 128
_OWED = "SELECT dedup_key, action, state, attempts FROM delivery"
_LEFT = (
    "SELECT (SELECT count(*) FROM incident WHERE resolved_at IS NULL) + (SELECT count(*) FROM delivery WHERE state = 'pending')"
)


class Replica(Router):
    """A replica that is started again until it works, as a supervisor does, with a clock that can be set."""

    def __init__(self, folder: Path, database_url: str, to_pagerduty: Proxy, to_database: Proxy | None) -> None:
        folder.mkdir()
        self.clock = folder / "clock"
        self.to_pagerduty, self.to_database = to_pagerduty, to_database
        self.set_clock(0)
        self.http = httpx.Client(timeout=5)
        env = {"ALERTROUTER_RESOLVE_HOLD": f"{HOLD_SECONDS:.0f}s", "ALERTROUTER_ESCALATE_AFTER": "24h", "PYTHONPATH": str(_TESTS)}
        super().__init__(folder, f"http://127.0.0.1:{to_pagerduty.port}", database_url, **env)

    def start(self) -> None:
        """Start, again whenever it ends, until it is ready."""
        command = [sys.executable, "-m", "chaos.replica", str(self.clock)]
        until = time.monotonic() + _READY_SECONDS
        self.process = Process(command, self._env, self._folder / "alertrouter.log")
        while not self._is_ready():
            if time.monotonic() > until:
                self.process.kill()
                raise RuntimeError(f"not ready in {_READY_SECONDS:.0f} s: {self.process.log.read_text()[-2000:]}")
            if self.process.popen.poll() is not None:
                self.process = Process(command, self._env, self._folder / "alertrouter.log")
            time.sleep(0.3)

    def set_clock(self, offset: float) -> None:
        """From now on its clock is so many seconds from the world's."""
        new = self.clock.with_suffix(".new")
        new.write_text(str(offset))
        new.replace(self.clock)

    def _is_ready(self) -> bool:
        try:
            return self.http.get(f"{self.url}/readyz").is_success
        except httpx.HTTPError:
            return False


class World:
    """Everything that runs.

    `url` is a PostgreSQL database of a server that is not ours to break; without one there are `servers` of our own. SQLite's
    file is on a small disk of its own, where one can be mounted.
    """

    def __init__(self, folder: Path, database: Database, url: str) -> None:
        self.folder = folder
        self.is_postgres = database == "postgres"
        self.servers = Pair(folder / "postgres.log") if self.is_postgres and not url else None
        self._url = make_url(url or "postgresql:///alertrouter")
        self.sandbox = Sandbox(folder)
        self.replicas: list[Replica] = []
        self.proxies: list[Proxy] = []
        self.heard: list[Heard] = []
        self._next = 0
        self._http = httpx.Client(timeout=30)
        self.disk = folder / "disk"
        self.disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MEGABYTES}m", "tmpfs", str(self.disk)]
        self.is_small = not self.is_postgres and subprocess.run(mount, check=False, capture_output=True).returncode == 0

    async def start(self, replicas: int) -> None:
        """Start so many replicas."""
        self.replicas = list(await asyncio.gather(*(self._replica(number) for number in range(replicas))))

    async def stop(self) -> None:
        """End everything."""
        for process in (self.sandbox.process, *(replica.process for replica in self.replicas)):
            if process.popen.poll() is None:
                process.kill()
        for client in (self._http, *(replica.http for replica in self.replicas)):
            client.close()
        for proxy in self.proxies:
            await proxy.stop()
        if self.servers:
            self.servers.stop()
        if self.is_small:
            subprocess.run(["umount", str(self.disk)], check=True)
        shutil.rmtree(self.disk)

    async def listen(self) -> None:
        """Take down what PagerDuty has taken, until cancelled: it remembers a few thousand events."""
        while True:
            await asyncio.to_thread(self.hear)
            await asyncio.sleep(1)

    def hear(self) -> None:
        """What PagerDuty has taken since the last time."""
        found = self._http.get(f"{self.sandbox.url}/events", params={"since": self._next}).json()
        self._next = found["next"]
        self.heard += [
            Heard(
                datetime.fromisoformat(one["received_at"]).timestamp(),
                one["event"]["event_action"],
                one["event"]["dedup_key"],
                one["routing_key"],
            )
            for one in found["events"]
            if not one["errors"] and one["fault"] in _ACCEPTING
        ]

    def owed(self) -> list[Owed]:
        """The outbox."""
        return [Owed(*row) for row in self._ask(_OWED)]

    def left(self) -> int:
        """How much is not over: open incidents and events that are not sent."""
        return int(self._ask(_LEFT)[0][0])

    def path(self) -> Path:
        """SQLite's file."""
        return self.disk / "alertrouter.db"

    def _ask(self, sql: str) -> list[tuple[str, str, str, int]]:
        if self.is_postgres:
            with psycopg.connect(
                self.servers.primary.url() if self.servers else self._url.render_as_string(hide_password=False)
            ) as connection:
                return connection.execute(sql).fetchall()
        with closing(sqlite3.connect(self.path(), timeout=30)) as file:
            return file.execute(sql).fetchall()

    async def _replica(self, number: int) -> Replica:
        to_pagerduty = Proxy(self.sandbox.port)
        await to_pagerduty.start()
        self.proxies.append(to_pagerduty)
        url, to_database = f"sqlite:///{self.path()}", None
        if self.is_postgres:
            to_database = Proxy(self.servers.primary.port if self.servers else f"{self._url.query['host']}/.s.PGSQL.5432")
            await to_database.start()
            self.proxies.append(to_database)
            url = f"postgresql://postgres@127.0.0.1:{to_database.port}/{self._url.database}"
        return await asyncio.to_thread(Replica, self.folder / f"replica{number}", url, to_pagerduty, to_database)
