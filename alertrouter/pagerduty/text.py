"""Text that PagerDuty gives: PURE."""


def one_line(value: object, most: int = 200) -> str:
    """A text in one line and without what the database or a terminal could not hold; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())[:most]
