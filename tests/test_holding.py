"""Whether an incident is over because Alertmanager holds nothing of it, and whether it is silenced."""

from datetime import UTC, datetime, timedelta

import pytest

from alertrouter.alertmanager_api import Look, Silence
from alertrouter.holding import Held, judge

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
OLD = NOW - timedelta(days=1)
LATER = NOW + timedelta(hours=2)
ANA = Silence("ana", LATER)
BIA = Silence("bia", LATER - timedelta(hours=1))
SEEN = Held(NOW - timedelta(minutes=5))


def peer(*held: str, up_since: datetime = OLD, silence: Silence | None = None) -> Look:
    return Look(up_since, dict.fromkeys(held, silence))


@pytest.mark.parametrize(
    ("before", "looks", "held", "verdict"),
    [
        (Held(), [peer()], Held(NOW), "open"),  # the first time
        (Held(NOW - timedelta(minutes=4, seconds=59)), [peer()], Held(NOW - timedelta(minutes=4, seconds=59)), "open"),
        (SEEN, [peer()], SEEN, "over"),
        (SEEN, [peer(), peer()], SEEN, "over"),
        (SEEN, [peer("x", "y")], SEEN, "over"),  # others' alerts
        (SEEN, [peer("a")], Held(), "open"),  # there again
        (SEEN, [peer(), peer("b")], Held(), "open"),  # the peers do not agree
        (SEEN, [peer(), None], SEEN, "open"),  # one cannot be asked: nothing is closed, nothing forgotten
        (SEEN, [None], SEEN, "open"),
        (SEEN, [], Held(), "open"),
        (SEEN, [peer(up_since=NOW - timedelta(minutes=9))], Held(), "open"),  # it has forgotten everything
        (SEEN, [peer(), peer(up_since=NOW - timedelta(minutes=9))], Held(), "open"),
        (Held(), [peer("a", "b", silence=ANA)], Held(None, ANA), "open"),  # only silenced
        (Held(), [peer("a", silence=ANA), peer("b", silence=BIA)], Held(None, BIA), "open"),
        (Held(), [Look(OLD, {"a": ANA, "b": None})], Held(), "open"),  # not all of it
    ],
)
def test_an_incident_with_two_firing_alerts(before: Held, looks: list[Look | None], held: Held, verdict: str) -> None:
    assert judge(before, ["a", "b"], looks, NOW) == (held, verdict)


def test_an_incident_in_which_nothing_fires_is_nobodys_to_close() -> None:
    assert judge(SEEN, [], [peer()], NOW) == (Held(), "open")
