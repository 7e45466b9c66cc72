"""Lines of the log that would come too often."""

from alertrouter.logs import OncePerSecond


def test_the_first_line_is_written_at_once_and_the_others_are_counted_into_one_a_second() -> None:
    seldom = OncePerSecond()
    assert [seldom.lines(now) for now in (5.0, 5.1, 5.9, 6.0, 6.5, 9.0, 9.0, 12.0)] == [1, 0, 0, 3, 0, 2, 0, 2]
