"""Past incidents in any number, copied row by row from one that the service made itself."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from alertrouter.incidents.ids import first_id
from alertrouter.moments import to_micros

RARE = "Needle"
_TABLES = {"incident": "id", "alert": "incident_id", "timeline": "incident_id", "delivery": "incident_id"}
Row = dict[str, Any]
Insert = Callable[[str, Sequence[str], Iterable[Sequence[Any]]], None]


def fill(address: str, past: int, first: int = 1) -> None:
    """Copy the newest resolved incident, with its alert, story and deliveries: an incident a minute back in time."""
    with _opened(address) as (select, insert):
        [source] = select("SELECT id FROM incident WHERE status = 'resolved' ORDER BY id DESC LIMIT 1")
        for table, key in _TABLES.items():
            rows = select(f"SELECT * FROM {table} WHERE {key} = '{source['id']}'")
            if not rows:  # of a table that the incident has nothing in
                continue
            names = [name for name in rows[0] if not (name == "id" and table in {"timeline", "delivery"})]
            copies = (_copied(row, number, key, table) for number in range(first, past + 1) for row in rows)
            insert(table, names, ([copy[name] for name in names] for copy in copies))
    settle(address)


def settle(address: str) -> None:
    """Bring statistics up to date and what was written to the disk, as the database does by itself some time later."""
    if address.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"), timeout=60)) as lite:
            lite.execute("ANALYZE")
            lite.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


@contextmanager
def _opened(address: str) -> Iterator[tuple[Callable[[str], list[Row]], Insert]]:
    """How to read rows from this database and how to write many."""
    if address.startswith("sqlite"):
        lite = sqlite3.connect(address.removeprefix("sqlite:///"), timeout=60)
        lite.row_factory = sqlite3.Row

        def executemany(table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
            lite.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' for _ in names)})", rows)

        yield lambda sql: [dict(row) for row in lite.execute(sql)], executemany
        lite.commit()
        lite.close()
        return
    with psycopg.connect(address, row_factory=dict_row, autocommit=True) as connection:

        def copy(table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
            with connection.cursor().copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as out:  # type: ignore[arg-type]
                for row in rows:
                    out.write_row(row)

        yield lambda sql: connection.execute(sql).fetchall(), copy  # type: ignore[arg-type]


def _copied(row: Row, number: int, key: str, table: str) -> Row:
    """A row of the incident that stands so many minutes further back."""
    at = datetime.now(UTC) - timedelta(days=1, minutes=number)
    identity = f"{first_id(at)}{number:017d}"
    copy = {**row, key: identity}
    if table == "incident":
        shown = RARE if number % 400_000 == 0 else f"Past {number}"
        when = {"opened_at": to_micros(at), "armed_at": to_micros(at), "resolved_at": to_micros(at + timedelta(minutes=3))}
        copy |= {**when, "key": identity, "latest": False, "title": shown}
    if table == "delivery":
        copy["dedup_key"] = identity
    return copy
