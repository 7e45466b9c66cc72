"""What the agent leans on: a model and a CRM that are simulated, and a database that is real."""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from agent_service.switches import Switches

_DOLLARS_PER_TOKEN = 2e-6


class PartError(Exception):
    """One of the parts does not do its work; `error_type` is the label it is counted under."""

    def __init__(self, error_type: str, why: str) -> None:
        super().__init__(why)
        self.error_type = error_type


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model answered, and at what price."""

    text: str
    tokens: int
    dollars: float
    is_qualified: bool


class Model:
    """A language model that takes its time and is paid by the token."""

    def __init__(self, switches: Switches, random: Random) -> None:
        self._switches = switches
        self._random = random

    async def complete(self, text: str) -> Completion:
        """Answer. Raises PartError."""
        if self._switches.failing == "llm":
            raise PartError("llm", "the provider answered 503")
        await asyncio.sleep(self._random.uniform(6, 8) if self._switches.slow else self._random.uniform(0.02, 0.2))
        tokens = len(text.split()) + self._random.randint(80, 200)
        dollars = tokens * _DOLLARS_PER_TOKEN * (10 if self._switches.expensive else 1)
        return Completion(f"About «{text}»: …", tokens, dollars, self._random.random() < 0.3)


class Crm:
    """Where leads go."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    async def create_lead(self, _session_id: str) -> None:
        """Raises PartError."""
        if self._switches.failing == "api":
            raise PartError("api", "the CRM answered 500")


class Store:
    """A pool of connections to SQLite."""

    def __init__(self, path: Path, switches: Switches, size: int = 4) -> None:
        self._path = path
        self._switches = switches
        self._size = size
        self._open: list[sqlite3.Connection] = []

    def connections(self) -> int:
        """How many are open; asking does what the switch wants, so that a scrape sees it before the next message does."""
        self.follow()
        return len(self._open)

    def follow(self) -> None:
        """Open or close the pool as the switch says."""
        if self._switches.databaseless:
            self.close()
        elif not self._open:
            self._open = [self._connect() for _ in range(self._size)]

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("CREATE TABLE IF NOT EXISTS reply (session_id TEXT, question TEXT, answer TEXT)")
        return connection

    def save(self, row: Sequence[str]) -> None:
        """Keep session, question and answer; a local file takes them in less than a millisecond. Raises PartError."""
        self.follow()
        if self._switches.failing == "database" or not self._open:
            raise PartError("database", "no connection to the database")
        connection = self._open.pop()
        self._open.insert(0, connection)
        connection.execute("INSERT INTO reply VALUES (?, ?, ?)", row)

    def count(self) -> int:
        """How many replies are kept."""
        found: int = self._open[0].execute("SELECT count(*) FROM reply").fetchone()[0]
        return found

    def close(self) -> None:
        """Close every connection."""
        while self._open:
            self._open.pop().close()
