"""What is asked often goes by an index, on both databases: it looks at no past incident.

... whatever the database believes of their number, which it may have counted long ago.
"""

import importlib
import inspect
import json
import pkgutil
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlmodel import Session

import alertrouter.store
from alertrouter.store import listing, queries
from alertrouter.store.database import Database, Statement
from alertrouter.store.listing import Filter
from alertrouter.store.queries import Wanted

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
STATISTICS = [
    ("incident", "incident_status", "1000000 500000 1"),
    ("incident", "incident_open", "300 1"),
    ("delivery", "delivery_state", "1000000 250000 1"),
]
QUESTIONS: dict[str, Callable[[Session], Any]] = {
    "the on-call page": lambda session: listing.open_ones(session, Filter(), 300, 0),
    "one severity with a text": lambda session: listing.open_ones(
        session, Filter("triggered", "critical", "oncall", "x"), 300, 0
    ),
    "how many are open": queries.open_counts,
    "the API": lambda session: queries.list_incidents(session, Wanted("open")),
    "the API, one status": lambda session: queries.list_incidents(session, Wanted("triggered")),
    "the reconciler": lambda session: queries.open_pages(session, 300, None),
    "what Alertmanagers hold": lambda session: queries.held_incidents(session, "default"),
    "which alerts are covered": queries.firing_counts,
}


FEW_ROWS = {"heartbeat"}
"""Tables with a row for each thing that somebody configured."""
OF_WHAT_IS_OPEN = re.compile(
    r"incident_open|incident_due|incident_hold|delivery_next|delivery_urgent|delivery_waiting|fallback_due|change_due"
)
"""Partial indexes: they hold what is open or pending, and may be walked through."""
BY_HAND = {"restore._select_newest"}
"""Once, by somebody who waits for it."""


@pytest.mark.parametrize("question", QUESTIONS)
def test_open_incidents_are_found_by_their_index(url: str, question: str) -> None:
    database = Database(url)
    asked: list[tuple[str, Any]] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    plain = sqlite3.connect(url.removeprefix("sqlite:///"))
    plain.execute("ANALYZE")
    plain.executemany("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", STATISTICS)  # as after a million incidents
    plain.commit()
    with database.read() as session:
        QUESTIONS[question](session)
    assert asked
    with sqlite3.connect(url.removeprefix("sqlite:///")) as plain:
        for statement, values in asked:
            plan = [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
            assert any("incident_open" in step or "incident_status (status=?)" in step for step in plan), plan
            assert not [step for step in plan if step in {"SCAN incident", "SCAN delivery"}], plan
    database.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_open_incidents_are_found_by_their_index_on_postgres(postgres_url: str, question: str) -> None:
    database = Database(postgres_url)
    plans: list[Any] = []

    def explain(connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "EXPLAIN" not in statement:
            plans.append(connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar())

    with database.read() as session:
        session.connection().exec_driver_sql("SET enable_seqscan = off")  # the tables are empty: nothing else would be chosen
        event.listen(database.engine, "before_cursor_execute", explain)
        QUESTIONS[question](session)
    database.close()
    assert plans
    assert [json.dumps(node) for plan in plans for node in nodes(plan[0]["Plan"]) if is_scan(node)] == []


def statements() -> dict[str, Statement]:
    """Those functions of the store's modules that make a statement for a kind of database."""
    found: dict[str, Statement] = {}
    for info in pkgutil.iter_modules(alertrouter.store.__path__):
        module = importlib.import_module(f"alertrouter.store.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and _is_statement(function):
                found[f"{info.name}.{name}"] = function
    return found


def _is_statement(function: Any) -> bool:
    return [one.strip("_") for one in inspect.signature(function).parameters] == ["postgres"]


STATEMENTS = {name: one for name, one in statements().items() if name not in BY_HAND}


class Nothing(dict[str, Any]):
    """NULL for every parameter."""

    def __missing__(self, name: str) -> None:
        return None


@pytest.fixture(scope="session")
def sqlite_database(sqlite_template: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{sqlite_template}")
    yield database
    database.close()


@pytest.mark.parametrize("name", STATEMENTS)
def test_sqlite_goes_by_an_index(name: str, sqlite_database: Database, sqlite_template: Path) -> None:
    sql, own = sqlite_database.compiled(STATEMENTS[name])
    with sqlite3.connect(f"file:{sqlite_template}?mode=ro", uri=True) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", Nothing(own))]
    scans = [step for step in plan if step.startswith("SCAN") and not OF_WHAT_IS_OPEN.search(step)]
    assert [step for step in scans if step.split()[1] not in FEW_ROWS and "VIRTUAL TABLE" not in step] == []  # an array


@pytest.mark.parametrize("name", STATEMENTS)
def test_postgres_goes_by_an_index(name: str, postgres: str) -> None:
    address = postgres.replace("/postgres?", "/migrated?")
    database = Database(address)
    sql, _ = database.compiled(STATEMENTS[name])
    database.close()
    names: list[str] = []
    numbered = re.sub(r"%\((\w+)\)s", lambda match: f"${_number(names, match[1])}", sql)
    with psycopg.connect(address) as connection:
        connection.execute("SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off")  # as for writes
        [[plan]] = connection.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {numbered}").fetchall()
    scans = [node for node in nodes(plan[0]["Plan"]) if is_scan(node)]
    assert [json.dumps(node) for node in scans if node.get("Relation Name") not in FEW_ROWS] == []


def _number(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name) + 1


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {name: value for name, value in plan.items() if name != "Plans"}
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def is_scan(node: dict[str, Any]) -> bool:
    """Whether a step looks at everything that a table or a whole index holds."""
    by_index = "Index Name" in node and node["Node Type"] != "Bitmap Heap Scan"
    whole = by_index and "Index Cond" not in node and not OF_WHAT_IS_OPEN.search(node["Index Name"])
    return bool(node["Node Type"] == "Seq Scan" or whole)
