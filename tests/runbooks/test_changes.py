"""How a section has changed since an incident was opened with it."""

from alertrouter.runbooks.changes import difference

BEFORE = "one\ntwo\nthree\nfour\nfive\n-\n-\n-\nsix\nseven\neight\nnine\nten"


def test_the_lines_that_went_and_came_are_told_with_three_around() -> None:
    after = BEFORE.replace("two", "deux").replace("nine", "neuf")
    assert difference(BEFORE, after) == [
        ("same", "one"),
        ("gone", "two"),
        ("new", "deux"),
        ("same", "three"),
        ("same", "four"),
        ("same", "five"),
        ("place", "…"),
        ("same", "six"),
        ("same", "seven"),
        ("same", "eight"),
        ("gone", "nine"),
        ("new", "neuf"),
        ("same", "ten"),
    ]


def test_lines_that_look_like_a_difference_are_told_as_they_are() -> None:
    assert difference("--- a\n+++ b\n@@ c", "--- a\n+++ b\n@@ d") == [
        ("same", "--- a"),
        ("same", "+++ b"),
        ("gone", "@@ c"),
        ("new", "@@ d"),
    ]


def test_the_same_text_has_no_difference() -> None:
    assert difference(BEFORE, BEFORE) == []


def test_what_is_too_long_to_compare_is_told_in_one_line() -> None:
    assert difference("x\n" * 3000, "y") == [("place", "3000 lines before, 1 now: too long to compare here")]
