"""The protocol between replicas, in every order that anything can happen in; each of its guards is missed when it is away."""

import pytest

from model import sending, taking
from model.explore import Explored, explore


def sent(**world: object) -> Explored[sending.World]:
    return explore(sending.World(**world), sending.moves, sending.ALWAYS, sending.ends_well)  # type: ignore[arg-type]


def taken(**world: object) -> Explored[taking.World]:
    return explore(taking.World(**world), taking.moves, taking.ALWAYS, taking.ends_well)  # type: ignore[arg-type]


def test_nothing_is_sent_twice_lost_or_out_of_order_whatever_crashes_freezes_or_gets_lost() -> None:
    found = sent()
    assert not found.broken, found.told()
    assert found.states > 1000


def test_people_who_act_in_pagerduty_change_nothing_about_that_where_nothing_fails() -> None:
    found = sent(people_act_there=True, faults=0)
    assert not found.broken, found.told()


def test_notifications_and_timers_of_two_replicas_neither_get_lost_nor_count_twice() -> None:
    found = taken()
    assert not found.broken, found.told()
    assert found.states > 400


@pytest.mark.parametrize(
    ("guard", "missed", "where"),
    [
        ("order", "a resolve never overtakes its trigger", {}),
        ("supersede", "a trigger with no attempt is superseded when the incident is over", {}),
        ("owed", "it always ends well", {}),
        ("lease", "one delivery at a time for each key, where nothing fails", {}),
        ("lease check", "one page per episode and target", {}),
        ("fence", "it always ends well", {}),
        ("relink", "PagerDuty's word counts", {"people_act_there": True, "faults": 0}),
    ],
)
def test_sending_needs_each_of_its_guards(guard: str, missed: str, where: dict[str, object]) -> None:
    found = sent(guards=sending.GUARDS - {guard}, **where)
    assert missed in found.broken, found.told()


@pytest.mark.parametrize(
    ("guard", "missed"),
    [
        ("one latest", "one incident per episode"),
        ("row lock", "every accepted notification counts"),
        ("row lock", "a timer fires once"),
        ("due", "a timer never fires early"),
        ("still open", "nobody is paged for what is over"),
    ],
)
def test_taking_needs_each_of_its_guards(guard: str, missed: str) -> None:
    found = taken(guards=taking.GUARDS - {guard})
    assert missed in found.broken, found.told()


def test_no_guard_goes_without_its_test() -> None:
    tests = [test_sending_needs_each_of_its_guards, test_taking_needs_each_of_its_guards]
    shown = [{case[0] for case in test.pytestmark[0].args[1]} for test in tests]  # type: ignore[attr-defined]
    assert shown == [sending.GUARDS, taking.GUARDS]


@pytest.mark.parametrize(
    ("window", "step"),
    [
        ({"freezes_in_the_window": True}, "finds its lease good"),
        ({"people_act_there": True}, "somebody resolves it in PagerDuty"),
    ],
)
def test_a_second_page_is_left_possible_by_two_windows_alone_which_are_written_down(window: dict[str, object], step: str) -> None:
    """A freeze between the look at the lease and the first byte; and the exception of promise 2."""
    trace = sent(**window).broken["one page per episode and target"]
    assert any(step in move for move in trace)
    assert any("frozen" in move or "crashes" in move or "lost" in move for move in trace)


def test_a_counterexample_is_told_move_by_move() -> None:
    told = sent(guards=sending.GUARDS - {"supersede"}).told().splitlines()
    assert told == [
        "NOT: a trigger with no attempt is superseded when the incident is over",
        "  the alert is over",
        "  replica 0 claims the trigger",
        "  replica 0 sends the trigger",
    ]
