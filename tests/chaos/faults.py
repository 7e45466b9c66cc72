"""How each kind of fault breaks the world, and mends it."""

import asyncio
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from chaos.plan import Fault
from chaos.proxy import Proxy
from chaos.world import Replica, World


class Breaker:
    """Breaks a world on schedule: one fault at a time for each part, any number at once for several parts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.done: Counter[str] = Counter()
        self.clock: list[tuple[float, float]] = []
        self._busy: dict[object, asyncio.Lock] = {}

    async def play(self, faults: Iterable[Fault]) -> None:
        """All faults, each at its time or as soon after it as its part is whole."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(max(began + fault.at - time.monotonic(), 0))
                group.create_task(self._break(fault))

    async def _break(self, fault: Fault) -> None:
        replica = self.world.replicas[fault.who]
        self._note(fault, "is due")
        match fault.kind:
            case "kill" | "freeze" | "clock":
                async with self._alone(replica):
                    await self._replica(fault, replica)
            case "database restart" | "failover" | "locked" | "full":
                async with self._alone("database"):
                    await self._database(fault)
            case "database away":
                assert replica.to_database is not None
                async with self._alone(replica.to_database):
                    await _partition(replica.to_database, fault)
            case "PagerDuty away":
                async with self._alone(replica.to_pagerduty):
                    await _partition(replica.to_pagerduty, fault)
            case "PagerDuty ill":
                async with self._alone("PagerDuty"):
                    self.world.sandbox.fault(fault.how, count=10, seconds=fault.seconds)
                    await asyncio.sleep(fault.seconds)
                    self.world.sandbox.heal()
        self.done[fault.kind] += 1
        self._note(fault, "is over")

    def _note(self, fault: Fault, what: str) -> None:
        """For whoever looks for the cause of something."""
        with (self.world.folder / "faults.log").open("a") as log:
            log.write(f"{datetime.now(UTC).isoformat()} {fault} {what}\n")

    @asynccontextmanager
    async def _alone(self, part: object) -> AsyncIterator[None]:
        async with self._busy.setdefault(part, asyncio.Lock()):
            yield

    async def _replica(self, fault: Fault, replica: Replica) -> None:
        if fault.kind == "kill":
            replica.process.kill()
            await asyncio.sleep(fault.seconds / 3)
            await asyncio.to_thread(replica.start)
        elif fault.kind == "freeze":
            replica.process.popen.send_signal(signal.SIGSTOP)
            await asyncio.sleep(fault.seconds)
            replica.process.popen.send_signal(signal.SIGCONT)
        else:
            for offset in (float(fault.how), 0.0):
                if not self.world.is_postgres:  # whose clock counts on PostgreSQL
                    self.clock.append((time.time(), offset))
                replica.set_clock(offset)
                await asyncio.sleep(fault.seconds)

    async def _database(self, fault: Fault) -> None:
        servers = self.world.servers
        if fault.kind == "locked":
            await asyncio.to_thread(_lock, self.world.path(), fault.seconds)
        elif fault.kind == "full":
            await asyncio.to_thread(_fill, self.world.disk, fault.seconds)
        elif servers and fault.kind == "database restart":
            await asyncio.to_thread(servers.restart)
        elif servers:
            await asyncio.to_thread(servers.fail_over)
            for replica in self.world.replicas:
                assert replica.to_database is not None
                replica.to_database.to = servers.primary.port
                replica.to_database.drop()
            await asyncio.to_thread(servers.replace)


async def _partition(proxy: Proxy, fault: Fault) -> None:
    if fault.how == "cut":
        proxy.cut()
    elif fault.how == "delay":
        proxy.delay = 0.3
    else:
        proxy.stall()
    await asyncio.sleep(fault.seconds)
    if fault.how == "stall and cut":
        proxy.cut()
        await asyncio.sleep(0.1)
    proxy.heal()


def _lock(path: Path, seconds: float) -> None:
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as file:
        file.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        file.execute("ROLLBACK")


def _fill(disk: Path, seconds: float) -> None:
    """No byte is left on the small disk."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        for size in (1024 * 1024, 4096):
            with suppress(OSError):
                while True:
                    os.write(file.fileno(), bytes(size))
    time.sleep(seconds)
    ballast.unlink()
