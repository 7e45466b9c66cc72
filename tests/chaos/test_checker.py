"""The checker itself: a history in which a promise is broken is told, and a good one is not."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.checker import Heard, History, Owed, Told, check
from chaos.plan import KINDS, SHAPES, Act, Story, make_plan

ACTS = (Act(0, ("a",)), Act(1, ("a",)), Act(70, (), ("a",)))
STORY = Story("g", "stepped", "HighErrorRate", 0, ACTS)


def tell(at: float, firing: tuple[str, ...] = (), resolved: tuple[str, ...] = (), *ids: str) -> Told:
    return Told("g", firing, resolved, at, at + 0.1, ids or ("i",))


GOOD = History(
    stories=[STORY],
    told=[tell(0, ("a",)), tell(1, ("a",)), tell(71, (), ("a",))],
    heard=[
        Heard(0.2, "trigger", "i"),
        Heard(0.3, "trigger", "i"),  # an answer was lost
        Heard(4.1, "trigger", "i/e1", "engineering"),
        Heard(73.2, "resolve", "i"),
        Heard(73.2, "resolve", "i/e1", "engineering"),
    ],
    owed=[
        Owed("i", "trigger", "sent", 2),
        Owed("i/e1", "trigger", "sent", 1),
        Owed("i", "resolve", "sent", 1),
        Owed("i/e1", "resolve", "sent", 1),
    ],
)


def acknowledged(**changes: object) -> History:
    """One that was acknowledged, and paged again for a new alert."""
    told = [tell(0, ("a",)), tell(1), tell(2, ("a", "b")), tell(5, (), ("a", "b"))]
    keys = ("i", "i/2")
    heard = [Heard(0.2, "trigger", "i"), Heard(1.2, "acknowledge", "i"), Heard(2.2, "trigger", "i/2")]
    good = History(
        [Story("g", "acknowledged", "NoRunbook", 0, (*ACTS, ACTS[0]))],
        told,
        heard + [Heard(7.2, "resolve", key) for key in keys],
        [Owed(key, action, "sent", 1) for key in keys for action in ("trigger", "resolve")],
    )
    return replace(good, **changes)  # type: ignore[arg-type]


def twice(history: History) -> History:
    """The group fires again long after its end, and that is a new incident."""
    acts = (*ACTS, Act(9, ("a",)), Act(1, (), ("a",)))
    more = [Heard(80.2, "trigger", "j"), Heard(83.2, "resolve", "j")]
    owed = [Owed("j", action, "sent", 1) for action in ("trigger", "resolve")]
    told = [tell(80, ("a",), (), "j"), tell(81, (), ("a",), "j")]
    return History([replace(STORY, acts=acts)], [*history.told, *told], [*history.heard, *more], [*history.owed, *owed])


def without(history: History, what: Callable[[object], bool]) -> History:
    """A history in which something did not happen."""
    return replace(
        history,
        told=[one for one in history.told if not what(one)],
        heard=[one for one in history.heard if not what(one)],
        owed=[one for one in history.owed if not what(one)],
    )


def test_good_histories_break_nothing() -> None:
    for history in (GOOD, acknowledged(), twice(GOOD)):
        assert check(history).broken == []
    assert check(twice(GOOD)).episodes == 2
    assert check(GOOD).lateness["step"] == [0.0]


def test_an_episode_that_was_over_before_the_first_attempt_is_counted_apart() -> None:
    short = replace(GOOD, stories=[replace(STORY, acts=ACTS[:2])], told=[tell(0, ("a",)), tell(0.2, (), ("a",))], heard=[])
    over = replace(short, owed=[Owed("i", action, "superseded", 0) for action in ("trigger", "resolve")])
    assert (check(over).broken, check(over).superseded) == ([], 1)
    tried = replace(short, owed=[Owed("i", "trigger", "superseded", 1), Owed("i", "resolve", "sent", 1)])
    tried = replace(tried, heard=[Heard(3, "resolve", "i")])
    assert (check(tried).broken, check(tried).superseded, check(tried).lost) == ([], 0, 1)
    long = replace(over, stories=GOOD.stories, told=GOOD.told)
    assert any("never paged" in line for line in check(long).broken)


def test_a_step_that_is_early_by_the_worlds_clock_and_not_by_the_one_that_counts_is_in_time() -> None:
    early = [replace(one, at=2.5) if one.key == "i/e1" and one.action == "trigger" else one for one in GOOD.heard]
    assert "came 2.50 s after" in check(replace(GOOD, heard=early)).broken[0]
    assert check(replace(GOOD, heard=early, clock=[(1.0, 30.0), (9.0, 0.0)])).broken == []
    assert check(replace(GOOD, heard=early, clock=[(3.0, 30.0)])).broken != []


BROKEN = {
    "never paged": without(GOOD, lambda one: isinstance(one, Heard) and one.key == "i"),
    "nothing is owed for it": without(GOOD, lambda one: isinstance(one, Owed) and one.key == "i"),
    "marked as sent, and PagerDuty has not got it": without(GOOD, lambda one: isinstance(one, Heard) and one.key == "i/e1"),
    "marked as never attempted": replace(GOOD, owed=[Owed("i", "trigger", "superseded", 0), *GOOD.owed[1:]]),
    "its trigger is pending": replace(GOOD, owed=[*GOOD.owed, Owed("i", "trigger", "pending", 3)]),
    "its trigger is dead": replace(GOOD, owed=[*GOOD.owed, Owed("i", "trigger", "dead", 2)]),
    "opened 2 times": replace(GOOD, heard=[*GOOD.heard, Heard(99, "trigger", "i")]),
    "is still open": without(GOOD, lambda one: isinstance(one, Heard) and one.action == "resolve"),
    "was resolved 1.00 s after its end": replace(
        GOOD, heard=[*GOOD.heard[:3], *(Heard(72, "resolve", key) for key in ("i", "i/e1"))]
    ),
    "was taken and did not page in": replace(
        GOOD,
        heard=[one for one in GOOD.heard if one.key == "i"],
        owed=[*GOOD.owed[:1], Owed("i/e1", "trigger", "superseded", 0), *GOOD.owed[2:]],
    ),
    "went to several integrations": replace(GOOD, heard=[*GOOD.heard[:-1], Heard(73.2, "resolve", "i/e1", "oncall")]),
    "went to where the incident itself is paged": replace(GOOD, heard=[replace(one, to="oncall") for one in GOOD.heard]),
    "its trigger came after its resolve": replace(GOOD, heard=[Heard(0, "resolve", "i"), *GOOD.heard]),
    "nothing that was accepted asks for it": replace(GOOD, heard=[*GOOD.heard, Heard(5, "trigger", "x")]),
    "2 of 3 acts were accepted": replace(GOOD, told=[GOOD.told[0], GOOD.told[2]]),
    "no end was accepted": replace(GOOD, told=GOOD.told[:2]),
    "was not taken in": without(GOOD, lambda one: not isinstance(one, Told) and getattr(one, "key", "") == "i/e1"),
    "did not page again": without(acknowledged(), lambda one: not isinstance(one, Told) and getattr(one, "key", "") == "i/2"),
    "one episode has several incidents": replace(GOOD, told=[GOOD.told[0], tell(1, ("a",), (), "j"), GOOD.told[2]]),
    "opened no incident": replace(twice(GOOD), told=[*GOOD.told, tell(80, ("a",)), tell(81, (), ("a",))]),
}


@pytest.mark.parametrize("found", BROKEN)
def test_a_broken_promise_is_told(found: str) -> None:
    assert any(found in line for line in check(BROKEN[found]).broken)


def test_the_same_seed_gives_the_same_plan_and_every_shape_and_kind_is_in_a_long_one() -> None:
    for database, kinds in KINDS.items():
        plan = make_plan(7, database, 500, 500, 100, 65)
        assert plan == make_plan(7, database, 500, 500, 100, 65)
        assert plan != make_plan(8, database, 500, 500, 100, 65)
        assert {story.shape for story in plan.stories} == set(SHAPES)
        assert {fault.kind for fault in plan.faults} == set(kinds)
