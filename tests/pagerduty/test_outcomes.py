from datetime import timedelta

import pytest

from alertrouter.pagerduty.outcomes import Failed, Limited, Outcome, Refused, Sent, backoff, classify


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, b'{"status":"success"}', Sent()),
        # an accepted event may come with any body
        (202, b"", Sent()),
        (202, b"<html>", Sent()),
        # 400 and 413 are the only refusals, and PagerDuty's own words are kept
        (400, b'{"status":"invalid event","errors":["a","b"]}', Refused(("a", "b"))),
        (400, b"<html>", Refused(("the answer was 400, without a reason",))),
        (400, b'{"errors":[1,{"x":2}]}', Refused(("the answer was 400, without a reason",))),
        (413, b"", Refused(("the answer was 413, without a reason",))),
        (429, b"", Limited(None)),
        # everything else is tried again; what a person must mend is a warning
        (401, b"", Failed("the answer was 401", warn=True, reached=False)),
        (403, b"", Failed("the answer was 403", warn=True, reached=False)),
        (404, b"", Failed("the answer was 404", warn=True, reached=False)),
        (407, b"", Failed("the answer was 407", warn=True, reached=False)),
        (302, b"", Failed("the answer was 302", warn=True, reached=False)),
        # somebody else's 200, a captive portal's; and an answer that leaves open what happened
        (200, b"<html>", Failed("the answer was 200", warn=True, reached=True)),
        (500, b"", Failed("the answer was 500", warn=False, reached=True)),
        (503, b"", Failed("the answer was 503", warn=False, reached=True)),
    ],
)
def test_an_answer_means(status: int, body: bytes, expected: Outcome) -> None:
    assert classify(status, body) == expected


def test_a_limit_that_says_how_long_is_kept_to() -> None:
    assert classify(429, b"", "17") == Limited(17.0)
    assert classify(429, b"", "Mon, 23 Nov 2026 03:00:00 GMT") == Limited(None)


def test_delays_grow_to_about_a_minute_and_differ() -> None:
    assert [backoff(attempt, 1.0).total_seconds() for attempt in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff(1000, 0.0) == timedelta(seconds=30)
