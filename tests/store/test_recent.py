from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from alertrouter.alertmanager import Alert
from alertrouter.clock import Clock
from alertrouter.escalation import Policy
from alertrouter.incidents import Key, Notified, Plan, State, decide
from alertrouter.store import incidents, recent
from alertrouter.store.codec import subject_key
from alertrouter.store.database import Database, Transaction
from alertrouter.store.recent import Known, Recent

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
KEY = Key("default", "g", False, "oncall", True, timedelta(seconds=60))


def notify(tx: Transaction, *fingerprints: str) -> State:
    """What the next notification of the group makes of it."""
    alerts = tuple(Alert(True, {"alertname": one}, {}, NOW, None, "", one) for one in fingerprints)
    event = Notified(KEY, alerts, lambda _: Plan("critical", "t", None, Policy((), "default")))
    [change] = decide(next(iter(load(tx)), None), event, NOW)
    incidents.save(tx, [change])
    return change.state


def load(tx: Transaction) -> list[State]:
    """The group's incident."""
    return incidents.load_latest(tx, [subject_key("default", "g", per_alert=False)])


@pytest.fixture
def replicas(database_url: str) -> Iterator[tuple[Database, Database]]:
    """Two processes' views of one database."""
    pair = Database(database_url, Clock(lambda: NOW)), Database(database_url, Clock(lambda: NOW))
    yield pair
    for one in pair:
        one.close()


def test_what_was_committed_is_known_and_not_read_again(replicas: tuple[Database, Database]) -> None:
    one, _ = replicas
    for fingerprints in (("a", "b"), ("a", "b"), ("a", "b", "c")):
        with one.transaction() as tx:
            written = notify(tx, *fingerprints)
        with one.transaction() as tx:
            [state] = load(tx)
        assert state is written


def test_what_another_replica_wrote_meanwhile_is_read(replicas: tuple[Database, Database]) -> None:
    one, other = replicas
    with one.transaction() as tx:
        notify(tx, "a")
    with other.transaction() as tx:
        written = notify(tx, "a", "b")
    with one.transaction() as tx:
        [state] = load(tx)
        assert state == written
        again = notify(tx, "b", "c")
    assert set(again.members) == {"a", "b", "c"}
    with other.transaction() as tx:
        assert load(tx) == [again]


def test_what_was_rolled_back_is_not_known(replicas: tuple[Database, Database]) -> None:
    one, _ = replicas
    with one.transaction() as tx:
        first = notify(tx, "a")
    with suppress(ZeroDivisionError), one.transaction() as tx:
        notify(tx, "a", "lost")
        raise ZeroDivisionError
    with one.transaction() as tx:
        assert load(tx) == [first]
        notify(tx, "a", "kept")
    with one.transaction() as tx:
        [state] = load(tx)
    assert set(state.members) == {"a", "kept"}


def test_those_that_nobody_asked_for_longest_are_let_go(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(recent, "MOST_MEMBERS", 5)
    database = Database(url, Clock(lambda: NOW))
    with database.transaction() as tx:
        state = notify(tx, "a", "b")
    database.close()
    known = Recent()
    for name in ("1", "2", "1", "3"):
        known.take_in({name: Known((name,), state, "a mark")})
    rows = [known.get((name,)) for name in ("1", "2", "3")]
    assert [row and row.state for row in rows] == [state, None, state]
    assert [row and row.mark for row in rows] == ["a mark"] * 3
    assert known.get(("1", "changed")) is None
    monkeypatch.setattr(recent, "MOST_INCIDENTS", 2)
    known.take_in({"1": Known(("1",), None, "a mark")})
    assert [bool(known.get((name,))) for name in ("1", "2", "3")] == [True, False, True]


def test_one_with_more_alerts_than_are_kept_drives_nobody_out(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    database = Database(url, Clock(lambda: NOW))
    with database.transaction() as tx:
        small = notify(tx, "a")
        large = notify(tx, "b", "c")
    database.close()
    monkeypatch.setattr(recent, "MOST_MEMBERS", 2)
    known = Recent()
    known.take_in({"small": Known(("small",), small, "a mark")})
    known.take_in({"large": Known(("large",), large, "another mark")})
    assert known.get(("small",)) == Known(("small",), small, "a mark")
    assert known.get(("large",)) == Known(("large",), None, "another mark")
