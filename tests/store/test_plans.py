"""What pages and loops ask of open incidents looks at no past one, whatever the database believes of their number."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session

from alertrouter.store import listing, queries
from alertrouter.store.database import Database
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
