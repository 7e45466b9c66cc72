"""The database: an engine for reading, and write transactions that run plain SQL on the driver.

Statements are written as SQLAlchemy expressions over the tables and compiled once per database; on the hot path an ORM session
costs ten times more than the commit does (docs/adr/0002).
"""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import bindparam, create_engine, event, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql import ClauseElement, ColumnElement
from sqlmodel import Session

from alertrouter.clock import Clock
from alertrouter.moments import from_micros
from alertrouter.store.many import ROWS
from alertrouter.store.recent import Known, Recent
from alertrouter.store.repeats import Repeats

WAIT_SECONDS = 3
"""How long a statement waits for a lock: short enough for a 503 within 5 s."""
IDLE_SECONDS = 2
"""How long PostgreSQL lets a write do nothing, less than others wait for its locks: whoever is frozen stops nobody."""
_IDLE_ANYWHERE_SECONDS = 60
_WRITERS_KIB, _READERS_KIB = 1024, 256
"""Of the database that a connection to SQLite keeps in memory: what one batch changes, and, as the system has the file in memory
anyway, little for each of those that read now and then.
"""

Statement = Callable[[bool], ClauseElement]
"""A statement for PostgreSQL (True) or for SQLite (False)."""


News = Literal["deliveries", "timers", "changes", "pages"]
"""What a commit may be news for: those that send, those that take steps, those that send changes on, open pages."""
NEWS: frozenset[News] = frozenset(get_args(News))
CONNECTION: Mapping[str, Any] = {
    "connect_timeout": WAIT_SECONDS,
    "tcp_user_timeout": WAIT_SECONDS * 1000,
    "keepalives_idle": WAIT_SECONDS,
    "keepalives_interval": 1,
    "keepalives_count": WAIT_SECONDS,
    "autocommit": True,
}
"""How every connection to PostgreSQL is made."""


class UnavailableError(Exception):
    """The database cannot be written just now: locked, full or gone. Nothing was stored; try again."""


class Database:
    """One database.

    `clock` gives `now` on SQLite; on PostgreSQL its own clock does, unless a clock was injected.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        parsed = make_url(url)
        self.is_postgres = parsed.get_backend_name() == "postgresql"
        self.clock = clock or Clock()
        self.asks_server = self.is_postgres and clock is None
        self.engine = _postgres_engine(parsed) if self.is_postgres else _sqlite_engine(parsed)
        self._writer: PoolProxiedConnection | None = None
        self.recent = Recent()
        self.repeats = Repeats()
        self._compiled: dict[Statement, tuple[str, dict[str, Any]]] = {}
        self._readers = threading.Condition()
        self._reading = 0

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for pages and rare paths."""
        with self._readers:
            self._reading += 1
        try:
            with Session(self.engine) as session:
                yield session
        finally:
            with self._readers:
                self._reading -= 1
                self._readers.notify_all()

    def read_now(self) -> datetime:
        """The clock that decides what is due, for pages."""
        if not self.asks_server:
            return self.clock.now()
        with self.engine.connect() as connection:
            return from_micros(connection.execute(text(_SERVER_NOW)).scalar_one())

    def other_sessions(self) -> int:
        """How many other connections the same user has to a PostgreSQL database; 0 on SQLite, which cannot tell."""
        if not self.is_postgres:
            return 0
        with self.engine.connect() as connection:
            return int(connection.execute(text(_OTHER_SESSIONS)).scalar_one())

    @contextmanager
    def transaction(self) -> Iterator["Transaction"]:
        """One write transaction, committed at the end and rolled back on any error. For one thread at a time.

        Raises UnavailableError where the database is to blame, and the driver's own error otherwise.
        """
        try:
            transaction = Transaction(self, self._begin())
            try:
                yield transaction
                transaction.cursor.execute("COMMIT")
                self.recent.take_in(transaction.seen)
            except BaseException:
                self._abandon()
                raise
        except Exception as error:
            if is_unavailable(error):
                raise UnavailableError(str(error).splitlines()[0]) from error
            raise

    def compiled(self, statement: Statement) -> tuple[str, dict[str, Any]]:
        """The SQL text of a statement and the values that it holds itself."""
        if statement not in self._compiled:
            dialect = postgresql.psycopg.dialect() if self.is_postgres else sqlite.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
            compiled = statement(self.is_postgres).compile(dialect=dialect)
            own = {name: value for name, value in compiled.params.items() if value is not None}
            self._compiled[statement] = (str(compiled), own)
        return self._compiled[statement]

    def close(self) -> None:
        """Let go of every connection, once those who read in threads of their own have ended."""
        with self._readers:
            self._readers.wait_for(lambda: not self._reading, timeout=WAIT_SECONDS)
        if self._writer is not None:
            self._writer.invalidate()
            self._writer = None
        self.engine.dispose()

    def _begin(self) -> Any:
        """A cursor inside a transaction; a connection that has died meanwhile is replaced."""
        if self._writer is not None:
            try:
                return self._start()
            except Exception as error:
                self._abandon()
                if not (self.is_postgres and is_unavailable(error)):
                    raise
        self._writer = self.engine.raw_connection()
        self._writer.cursor().execute(_FOR_WRITES if self.is_postgres else f"PRAGMA cache_size = -{_WRITERS_KIB}")
        return self._start()

    def _start(self) -> Any:
        assert self._writer is not None
        cursor = self._writer.cursor()
        if self.asks_server:
            cursor.execute(f"BEGIN; {_SERVER_NOW}")  # one round trip for both
            cursor.nextset()
        else:
            cursor.execute("BEGIN" if self.is_postgres else "BEGIN IMMEDIATE")
        return cursor

    def _abandon(self) -> None:
        """Roll back by closing: the one way that works whatever went wrong."""
        self.recent.clear()
        if self._writer is not None:
            self._writer.invalidate()
            self._writer = None


class ConflictError(Exception):
    """Another replica has written meanwhile what this transaction should have read: it is to be done again."""


class Transaction:
    """One write transaction. `now` is one moment for all of it.

    `news` says, after the commit, whom it may concern. `seen` are the incidents that it read and wrote, as they are now.
    `size` is how many requests it was for, `seconds` how long it took. What is in `after_commit` must not hold it: that
    circle would keep a whole batch in memory until Python looks for circles.
    """

    def __init__(self, database: Database, cursor: Any) -> None:
        self.database = database
        self.cursor = cursor
        self.deliveries = False
        self.changes = False
        self.timers = False
        self.wrote = False
        self.size = 0
        self.seconds = 0.0
        self.after_commit: list[Callable[[], None]] = []
        self.seen: dict[str, Known] = {}
        self.is_too_late: Callable[[], bool] = lambda: False
        self.now = self._now()

    def fetch(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        """Run a query once."""
        sql, own = self.database.compiled(statement)
        return list(self.cursor.execute(sql, own | values).fetchall())

    def run(self, statement: Statement, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run a statement for each of many rows."""
        sql, own = self.database.compiled(statement)
        given = [{**own, **row} for row in rows] if own else list(rows)
        self.wrote = self.wrote or bool(given)
        if len(given) == 1:
            self.cursor.execute(sql, given[0])
        elif given:
            self.cursor.executemany(sql, given)

    def run_many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement of `alertrouter.store.many` for many rows, in their order."""
        if not self.database.is_postgres:
            self.run(statement, rows)
        elif rows:
            self.wrote = True
            sql, _ = self.database.compiled(statement)
            self.cursor.execute(sql, {ROWS: msgspec.json.encode(rows).decode()})

    def run_one(self, statement: Statement, **values: Any) -> int:
        """Run a statement once; how many rows it changed."""
        sql, own = self.database.compiled(statement)
        self.cursor.execute(sql, own | values)
        self.wrote = True
        return int(self.cursor.rowcount)

    def take_long(self) -> None:
        """The next statement may be a while in coming, and nobody is frozen."""
        if self.database.is_postgres:
            self.cursor.execute(_WITHOUT_HURRY)

    def check_in_time(self) -> None:
        """To be called once the rows are locked that decide. Raises ConflictError if they were waited for so long that somebody
        was told 503 meanwhile, who may have asked another replica since: the batch is done again without that.
        """
        if self.is_too_late():
            raise ConflictError("its sender was told 503 meanwhile")

    def array(self, values: Iterable[str]) -> Any:
        """Values for `is_among`."""
        return list(values) if self.database.is_postgres else msgspec.json.encode(list(values)).decode()

    @property
    def news(self) -> frozenset[News]:
        """Whom this transaction may concern."""
        concerned: dict[News, bool] = {
            "deliveries": self.deliveries,
            "timers": self.timers,
            "changes": self.changes,
            "pages": self.wrote,
        }
        return frozenset(one for one, is_concerned in concerned.items() if is_concerned)

    def _now(self) -> datetime:
        if not self.database.asks_server:
            return self.database.clock.now()
        return from_micros(self.cursor.fetchone()[0])  # asked for with the BEGIN


_FOR_WRITES = (
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
    f" SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
)
"""A write is about a few rows of tables that may be large, or were small when the server last counted them."""
_WITHOUT_HURRY = f"SET LOCAL idle_in_transaction_session_timeout = '{_IDLE_ANYWHERE_SECONDS}s'"
_FROZEN = "25P03"  # the server ended a transaction that did nothing
_READ_ONLY = "25006"  # a server that has become a standby
_OTHER_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user"
    " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
_SERVER_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


def is_among(column: Any, name: str, postgres: bool) -> ColumnElement[bool]:
    """`column` is one of the values of the array parameter `name`, however many: one statement for any number."""
    if postgres:
        array: ColumnElement[bool] = column == func.any(bindparam(name, type_=postgresql.ARRAY(column.type)))
        return array
    values = func.json_each(bindparam(name)).table_valued("value")
    listed: ColumnElement[bool] = column.in_(select(values.c.value))
    return listed


def is_unavailable(error: BaseException) -> bool:
    """Whether the database, not a request, is to blame.

    PostgreSQL's classes: https://www.postgresql.org/docs/current/errcodes-appendix.html (54: a program limit, the request's).
    """
    cause = getattr(error, "orig", None) or error
    if type(cause) in {sqlite3.OperationalError, sqlite3.DatabaseError}:  # the latter: the file is damaged, or none of SQLite's
        return True
    if type(cause).__module__.partition(".")[0] != "psycopg":
        return False
    names = {base.__name__ for base in type(cause).__mro__}
    state = getattr(cause, "sqlstate", None) or ""
    if state == _READ_ONLY or state.startswith(("08", "53", "57", "58")):
        return True
    return bool(names & {"OperationalError", "InterfaceError"}) and not state.startswith(("40", "54"))


def is_conflict(error: BaseException) -> bool:
    """Whether another replica got in between (unique violation, deadlock, serialisation, a freeze): to be tried again."""
    state = getattr(error, "sqlstate", None) or ""
    return isinstance(error, ConflictError) or state in {"23505", _FROZEN} or state.startswith("40")


def was_idle_for_too_long(error: BaseException) -> bool:
    """Whether the server ended a transaction that asked it nothing: the process was frozen, or is slow."""
    return getattr(error, "sqlstate", None) == _FROZEN


def _sqlite_engine(url: URL) -> Engine:
    path = url.database
    if path and path != ":memory:" and not Path(path).resolve().parent.is_dir():
        raise UnavailableError(f"the folder of {path} does not exist")
    engine = create_engine(url, connect_args={"timeout": WAIT_SECONDS, "isolation_level": None, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_READERS_KIB}")

    return engine


def _postgres_engine(url: URL) -> Engine:
    seconds = {
        "lock_timeout": WAIT_SECONDS,
        "statement_timeout": WAIT_SECONDS + 1,
        "idle_in_transaction_session_timeout": _IDLE_ANYWHERE_SECONDS,
    }
    options = " ".join(f"-c {name}={value}s" for name, value in seconds.items())
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={**CONNECTION, "options": options, "prepare_threshold": 2},
    )
