"""What came of sending an event: PURE. The rules are PagerDuty's, as its Events API v2 documents and shows them."""

from dataclasses import dataclass
from datetime import timedelta

import msgspec

from alertrouter.pagerduty.text import one_line

LONGEST_WAIT = 60.0
"""Between two attempts, in seconds."""
_MOST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Sent:
    """202: PagerDuty has it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """400 or 413, and nothing else: PagerDuty will never take this event. `errors` are its own words."""

    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limited:
    """429: not taken; this routing key is to wait, `retry_after` seconds (a minute at most) if PagerDuty said how long."""

    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Failed:
    """Anything else, to be tried again. `reached`: the event may have got there without our knowing.

    `warn` asks for a person: a wrong key, a proxy, a redirect.
    """

    reason: str
    warn: bool
    reached: bool


Outcome = Sent | Refused | Limited | Failed


def classify(status: int, body: bytes, retry_after: str | None = None) -> Outcome:
    """Say what an answer means. A 202 needs no readable body; any other 2xx is somebody else's answer."""
    if status == 202:
        return Sent()
    if status in {400, 413}:
        return Refused(_errors(status, body))
    if status == 429:
        return Limited(min(float(retry_after), LONGEST_WAIT) if retry_after and retry_after.isdecimal() else None)
    return Failed(f"the answer was {status}", warn=status < 500, reached=status >= 500 or status < 300)


def backoff(attempts: int, jitter: float) -> timedelta:
    """How long to wait after so many attempts: 1 s, doubling to a minute, half of it at random (`jitter` from 0 to 1)."""
    wait = min(2.0 ** min(attempts - 1, 10), LONGEST_WAIT)
    return timedelta(seconds=wait / 2 + wait / 2 * jitter)


def _errors(status: int, body: bytes) -> tuple[str, ...]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    errors = answer.get("errors") if isinstance(answer, dict) else None
    texts = [one_line(one, _MOST_TEXT) for one in errors[:10]] if isinstance(errors, list) else []
    return tuple(filter(None, texts)) or (f"the answer was {status}, without a reason",)
