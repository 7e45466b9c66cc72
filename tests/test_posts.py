"""A body that repeats what is known is counted and not read: nobody could tell by what is in the database."""

import gc
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from alertrouter import posts
from alertrouter.actions import Action, act, fire_timers
from alertrouter.alertmanager import parse
from alertrouter.clock import Clock
from alertrouter.escalation import Step
from alertrouter.incidents import Acknowledged, Escalated, Event, Resolved, Snoozed
from alertrouter.planning import Playbook
from alertrouter.routing import Route, Routing, parse_matcher
from alertrouter.runbooks.match import Index
from alertrouter.store import migrations, repeats
from alertrouter.store.database import Database, Transaction
from alertrouter.store.repeats import Repeat
from posting import post
from serving import TARGETS, HandClock

ROUTES = (
    Route((parse_matcher('alertname="Watchdog"'),), "oncall", heartbeat=timedelta(minutes=10), line=1),
    Route((parse_matcher('team="db"'),), "dba", per_alert=True, line=2),
    Route((parse_matcher('team="web"'),), "engineering", line=3),
)
STEPS = (Step(timedelta(minutes=1), "engineering", "acknowledged"),)
PLAYBOOKS = [
    Playbook(Routing(TARGETS, routes, "oncall"), Index(), STEPS, timedelta(seconds=60), "http://router.test")
    for routes in (ROUTES, ROUTES[1:], ROUTES)
]
TABLES = ("incident", "alert", "timeline", "delivery", "heartbeat")


def body(*alerts: str, group: str = "g", cut: int = 0, peer: str = "a", note: str = "", end: str = "03:00:30") -> dict[str, Any]:
    """A notification. An alert is its team and its number, resolved with a `-` in front."""
    return {
        "groupKey": group,
        "receiver": "pages",
        "externalURL": f"http://{peer}",
        "truncatedAlerts": cut,
        "alerts": [
            {
                "status": "resolved" if one.startswith("-") else "firing",
                "labels": {"alertname": "Watchdog" if "beat" in one else "A", "team": one.lstrip("-")[:-1], "n": one[-1]},
                "annotations": {"note": note},
                "startsAt": "2026-11-23T03:00:00Z",
                "endsAt": f"2026-11-23T{end}Z",
            }
            for one in alerts
        ],
    }


BODIES = [
    body("web1", "web2"),
    body("web1", "web2", peer="b"),
    body("web1", "web2", note="changed"),
    body("web1", "-web2"),
    body("-web1", "-web2"),
    body("web1", "ops1"),
    body("db1", "db2"),
    body("db1", "db2", group="h"),
    body("db1", "web1", "-ops1", cut=3),
    body("beat1"),
    body("beat1", "web1"),
    body("web1", group="h"),
    body("-web1", "web2", end="02:59:59"),
    body("web1", "-db1"),
    body("db1", group="h"),
]
PEOPLE: list[Event] = [
    Acknowledged("ana"),
    Resolved("ana"),
    Snoozed("ana", timedelta(seconds=40)),
    Escalated("ana", None),
]


class World:
    """One database, the processes that write to it, and a clock."""

    def __init__(self, path: Path, knows: bool) -> None:
        self.clock = HandClock()
        self.knows = knows
        self.path = path
        self.processes = [self._process(), self._process()]
        migrations.upgrade(self.processes[0].engine)

    def _process(self) -> Database:
        return Database(f"sqlite:///{self.path}", Clock(lambda: self.clock.now))

    def post(self, process: int, bodies: Sequence[int], playbook: int) -> list[list[str]]:
        """One batch."""
        database = self.processes[process]
        batch = [post(BODIES[number], PLAYBOOKS[playbook], database if self.knows else None) for number in bodies]
        with database.transaction() as tx:
            answers = posts.take(tx, batch)
        for callback in tx.after_commit:
            callback()
        return answers

    def often(self, process: int, bodies: Sequence[int], playbook: int) -> list[list[str]]:
        """The same batch again and again."""
        return [ids for _ in range(3) for ids in self.post(process, bodies, playbook)]

    def act(self, process: int, event: Event) -> None:
        """Somebody does something to the newest incident, or to the oldest."""
        with self.processes[process].transaction() as tx:
            newest = tx.cursor.execute("SELECT id FROM incident ORDER BY id DESC LIMIT 1").fetchone()
            if newest:
                act(tx, [Action(newest[0], event)])

    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.clock.pass_(seconds=seconds)

    def tick(self, process: int, seconds: int) -> None:
        """Time passes, and what is due is done."""
        self.wait(seconds)
        with self.processes[process].transaction() as tx:
            fire_timers(tx, [None])

    def start_again(self, process: int) -> None:
        """A process begins anew."""
        self.processes[process].close()
        self.processes[process] = self._process()

    def dump(self) -> dict[str, list[Any]]:
        """All that is stored."""
        with self.processes[0].engine.connect() as connection:
            return {table: sorted(map(str, connection.execute(text(f"SELECT * FROM {table}")))) for table in TABLES}

    def close(self) -> None:
        """Let go of the database."""
        for process in self.processes:
            process.close()


@contextmanager
def two_worlds(folder: Path) -> Iterator[tuple[World, World]]:
    """One that knows repeats, and one that reads every body."""
    for old in folder.glob("*.db*"):
        old.unlink()
    pair = World(folder / "knows.db", True), World(folder / "reads.db", False)
    try:
        yield pair
    finally:
        for world in pair:
            world.close()


which = st.integers(0, 1)
steps = st.one_of(
    st.tuples(
        st.just("post"),
        which,
        st.lists(st.integers(0, len(BODIES) - 1), min_size=1, max_size=3),
        st.integers(0, len(PLAYBOOKS) - 1),
    ),
    st.tuples(st.just("post"), which, st.lists(st.integers(0, 2), min_size=1, max_size=3), st.just(0)),
    st.tuples(st.just("often"), which, st.lists(st.integers(0, len(BODIES) - 1), min_size=1, max_size=2), st.just(0)),
    st.tuples(st.just("act"), which, st.sampled_from(PEOPLE)),
    st.tuples(st.just("tick"), which, st.sampled_from([0, 1, 29, 31, 61, -40])),
    st.tuples(st.just("wait"), st.sampled_from([1, 31, 61])),
    st.tuples(st.just("start_again"), which),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=3, max_size=24))
def test_nothing_is_stored_or_answered_otherwise_than_if_every_body_were_read(tmp_path: Path, moves: list[Any]) -> None:
    with two_worlds(tmp_path) as worlds:
        for name, *arguments in moves:
            answers = [getattr(world, name)(*arguments) for world in worlds]
            assert answers[0] == answers[1]
            assert worlds[0].dump() == worlds[1].dump()


def again(*bodies: int, playbook: int = 0) -> list[tuple[Any, ...]]:
    """Each of these bodies four times, a second apart."""
    return [move for number in bodies for move in [("post", 0, [number], playbook), ("wait", 1)] * 4]


@pytest.mark.parametrize(
    "moves",
    [
        again(10),
        [*again(10, playbook=1), *again(10)],
        [*again(0), *again(12)],
        [*again(0), *again(4), ("wait", 61), *again(4, 0)],
        [*again(0), ("wait", 61), *again(0)],
        [*again(0), *again(5), *again(0)],
        [*again(8), *again(4, 8)],
        [*again(0), ("act", 0, Resolved("ana")), *again(0), ("wait", 61), *again(0)],
        [*again(7), *again(6), *again(7)],
        [*again(13), *again(14), ("post", 0, [13, 14], 0), ("tick", 0, 61)],
        [*again(8), *again(5), ("post", 0, [5, 8], 0), ("tick", 0, 61)],
    ],
    ids=[
        "a heartbeat beside an alert beats with every body",
        "an alert becomes a heartbeat",
        "an end before its start is told of every time",
        "a hold ends between two bodies",
        "a step is due between two bodies",
        "the group has another incident",
        "a body that was cut does not end what it leaves out",
        "somebody has resolved what still fires",
        "an alert of its own is in two groups",
        "what one body ends unknown to it is opened by another of the same batch",
        "the same within one group",
    ],
)
def test_it_is_the_same_also_where(tmp_path: Path, moves: list[tuple[Any, ...]]) -> None:
    with two_worlds(tmp_path) as worlds:
        for name, *arguments in moves:
            answers = [getattr(world, name)(*arguments) for world in worlds]
            assert answers[0] == answers[1]
        assert worlds[0].dump() == worlds[1].dump()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that the writer has read although they were known."""
    read: list[bytes] = []

    def noting(content: bytes, source: str) -> Any:
        read.append(content)
        return parse(content, source)

    monkeypatch.setattr("alertrouter.posts.parse", noting)
    return read


def is_known(world: World, number: int, process: int = 0) -> bool:
    return isinstance(post(BODIES[number], PLAYBOOKS[0], world.processes[process]).told, Repeat)


def posted(world: World, number: int, process: int = 0) -> bool:
    """Post a body; whether it was known."""
    known = is_known(world, number, process)
    world.post(process, [number], 0)
    return known


def test_the_third_of_the_same_bodies_is_not_read_any_more_nor_is_that_of_a_peer(tmp_path: Path, read: list[bytes]) -> None:
    with two_worlds(tmp_path) as (world, _):
        assert [posted(world, 0) for _ in range(4)] == [False, False, True, True]
        assert [posted(world, 1) for _ in range(2)] == [False, True]
        assert posted(world, 0)
        assert read == []


@pytest.mark.parametrize(
    "news",
    [
        lambda world: world.post(0, [2], 0),
        lambda world: world.post(0, [3], 0),
        lambda world: world.act(0, Acknowledged("ana")),
        lambda world: world.post(1, [0], 0),
        lambda world: world.start_again(0),
        lambda world: world.clock.pass_(seconds=61),
    ],
    ids=["an annotation", "a resolve", "an acknowledgement", "another replica", "a restart", "a step that is due"],
)
def test_after_whatever_may_have_changed_its_incident_a_body_is_read(tmp_path: Path, news: Any, read: list[bytes]) -> None:
    with two_worlds(tmp_path) as (world, _):
        for _ in range(3):
            posted(world, 0)
        news(world)
        was_known = posted(world, 0)
        assert len(read) == was_known


def test_a_body_that_shares_its_incident_with_news_of_the_same_batch_is_read(tmp_path: Path, read: list[bytes]) -> None:
    with two_worlds(tmp_path) as (world, _):
        for _ in range(3):
            posted(world, 0)
            posted(world, 7)
        world.post(0, [0, 3, 7], 0)
        assert len(read) == 1


def test_the_bodies_that_came_first_are_let_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(repeats, "MOST_SUBJECTS", 4)  # of one alert and its group, and of two and theirs
    with two_worlds(tmp_path) as (world, _):
        for number in (0, 11, 0, 11):
            posted(world, number)
        assert not is_known(world, 0)
        assert is_known(world, 11)


def test_a_body_with_an_alert_that_nobody_knows_is_read_every_time(tmp_path: Path) -> None:
    """Another replica may open its incident at any moment."""
    with two_worlds(tmp_path) as (world, _):
        assert not any(posted(world, 13) for _ in range(4))


def test_a_body_that_is_very_long_is_read_every_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(repeats, "LONGEST", len(msgspec.json.encode(BODIES[11])))
    with two_worlds(tmp_path) as (world, _):
        assert [posted(world, number) for number in (11, 0, 11, 0, 11, 0)] == [False, False, False, False, True, False]


def test_a_batch_is_let_go_when_it_is_committed_and_not_when_python_next_looks_for_circles(tmp_path: Path) -> None:
    world = World(tmp_path / "a.db", knows=True)

    def batch() -> weakref.ref[Transaction]:
        with world.processes[0].transaction() as tx:
            posts.take(tx, [post(BODIES[0], PLAYBOOKS[0])])
        for callback in tx.after_commit:
            callback()
        return weakref.ref(tx)

    gc.disable()
    try:
        assert batch()() is None
    finally:
        gc.enable()
