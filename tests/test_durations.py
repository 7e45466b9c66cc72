from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertrouter.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h30m", 5400), ("2d", 172800), ("1w", 604800), ("0s", 0), (" 5m ", 300)]
)
def test_a_duration_is_read_as_people_write_it(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", " ", "5", "m", "1m1h", "-5m", "1.5h", "5 m", "5min", "99999999w", "1000000000s", "٣m"])
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|longer than ten years") as caught:
        parse_duration(text)
    assert "\n" not in str(caught.value)


@given(st.integers(0, 3650 * 86400).map(lambda seconds: timedelta(seconds=seconds)))
def test_what_is_written_reads_back(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration
