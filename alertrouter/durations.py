"""Durations as people write them in settings, routing files and requests: `90s`, `15m`, `1h30m`."""

import re
from datetime import timedelta

_PARTS = re.compile(r"(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_LONGEST = timedelta(days=3650)


def parse_duration(text: str) -> timedelta:
    """Read `1h30m`, `90s`, `2d`; units `w d h m s`, largest first, each at most once; `0s` is zero.

    Raises ValueError with one clear line when the text is anything else, or is longer than ten years.
    """
    match = _PARTS.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration such as 90s, 15m or 1h30m")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if weeks > 521 or days > 3650:
        raise ValueError(f"{text!r} is longer than ten years")
    duration = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    if duration > _LONGEST:
        raise ValueError(f"{text!r} is longer than ten years")
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads back, cut to whole seconds: `1h30m`, `15m`, `0s`."""
    left = int(duration.total_seconds())
    text = ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            text += f"{count}{unit}"
    return text or "0s"
