"""What a routing key takes, as the last answers tell."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertrouter.pagerduty.keys import FAILURES_IN_A_ROW, PAUSE, PROBES, Keys
from alertrouter.pagerduty.outcomes import Failed, Limited, Outcome, Refused, Sent

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FAILED: Outcome = Failed("no answer in time", warn=False, reached=True)
LIMITED: Outcome = Limited(60.0)


def after(*outcomes: Outcome) -> Keys:
    keys = Keys()
    for outcome in outcomes:
        keys.answered("a", outcome, MINUTE, NOW)
    return keys


def test_a_key_that_nothing_is_known_of_takes_all() -> None:
    assert (Keys().closed({"a": 32}, NOW), Keys().most(32, {}, NOW), Keys().opens_in(NOW)) == (frozenset(), 32, None)


def test_failures_that_are_not_in_a_row_are_no_sign_of_trouble() -> None:
    keys = after(*(FAILED, FAILED, Sent()) * 5, FAILED, FAILED)
    assert not keys.is_failing("a")
    assert keys.most(32, {}, NOW) == 32


def test_a_failing_key_pauses_and_is_then_given_a_few_probes() -> None:
    keys = after(*[FAILED] * FAILURES_IN_A_ROW)
    assert (keys.closed({}, NOW), keys.opens_in(NOW)) == (frozenset("a"), PAUSE)
    later = NOW + PAUSE
    assert (keys.closed({}, later), keys.most(32, {}, later), keys.opens_in(later)) == (frozenset(), PROBES, None)
    assert keys.most(32, {"a": PROBES - 1}, later) == 1
    assert keys.closed({"a": PROBES}, later) == {"a"}


def test_while_a_key_takes_no_more_probes_the_others_take_all() -> None:
    keys = after(*[FAILED] * FAILURES_IN_A_ROW)
    assert keys.most(32, {}, NOW) == 32
    assert keys.most(28, {"a": PROBES}, NOW + PAUSE) == 28


@pytest.mark.parametrize("answer", [Sent(), Refused(("no",))])
def test_any_answer_of_pagerduty_itself_ends_the_failing_and_says_so_once(answer: Outcome) -> None:
    keys = after(*[FAILED] * 9)
    assert [keys.answered("a", answer, MINUTE, NOW) for _ in range(2)] == [True, False]
    assert (keys.closed({"a": 32}, NOW), keys.most(32, {}, NOW)) == (frozenset(), 32)


def test_a_limited_key_waits_as_told_even_if_an_earlier_event_is_taken_meanwhile() -> None:
    keys = after(*[FAILED] * 3, LIMITED, Sent())
    assert (keys.closed({}, NOW), keys.opens_in(NOW)) == (frozenset("a"), MINUTE)
    assert keys.closed({}, NOW + MINUTE) == frozenset()


def test_what_fails_or_is_limited_again_does_not_cut_a_limit_short() -> None:
    keys = after(LIMITED, FAILED, FAILED, FAILED)
    keys.answered("a", LIMITED, PAUSE, NOW)
    assert keys.opens_in(NOW) == MINUTE


def test_a_key_that_is_configured_no_more_caps_nothing() -> None:
    keys = after(FAILED, FAILED, FAILED)
    keys.keep({"b"})
    assert keys.most(32, {}, NOW + PAUSE) == 32


def test_a_limit_does_not_hurry_what_waits() -> None:
    assert not after(*[FAILED] * 3).answered("a", LIMITED, MINUTE, NOW)


def test_a_clock_that_is_set_back_prolongs_no_pause() -> None:
    assert after(LIMITED).closed({}, NOW - timedelta(hours=1)) == frozenset()


OUTCOMES = st.sampled_from([FAILED, LIMITED, Sent(), Refused(("no",))])


@given(st.lists(st.tuples(st.sampled_from("ab"), OUTCOMES, st.integers(0, 90))))
def test_whatever_came_before_every_key_is_asked_again_within_a_minute(answers: list[tuple[str, Outcome, int]]) -> None:
    keys, now = Keys(), NOW
    for key, outcome, seconds in answers:
        keys.answered(key, outcome, MINUTE, now)
        now += timedelta(seconds=seconds)
        assert (keys.opens_in(now) or MINUTE) <= MINUTE
    assert keys.closed({}, now + MINUTE) == frozenset()
    assert keys.most(32, {}, now + MINUTE) > 0
