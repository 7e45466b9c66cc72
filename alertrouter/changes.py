"""Changes that people and pipelines tell of, such as deploys: PURE. What is posted, and what becomes of sending it on."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from alertrouter.deliveries import reason_of
from alertrouter.moments import rfc3339
from alertrouter.pagerduty import events
from alertrouter.pagerduty.outcomes import Outcome, Refused, Sent

GIVE_UP_AFTER = timedelta(hours=1)
"""A change that is older is no help to anybody who looks for the cause of an incident in PagerDuty."""
SHOWN_BEFORE = timedelta(minutes=60)
"""How long before an incident a change may be to be shown beside it."""
MOST_BYTES = 1024 * 1024
_DEEPEST = 50

State = Literal["pending", "sent", "dead", "recorded"]


class MalformedChangeError(Exception):
    """What was posted is no change; the text is one clear line."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A change as it was posted. `event` is PagerDuty's, without routing key and time.

    `target` is a name that may be none of ours; None, like `at`, where nothing is said of it.
    """

    event: dict[str, Any]
    target: str | None
    at: datetime | None


class _Link(msgspec.Struct):
    href: str
    text: str | None = None


class _Body(msgspec.Struct):
    summary: str
    target: str | None = None
    source: str | None = None
    links: list[_Link] | None = None
    details: dict[str, Any] | None = None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


def parse(body: bytes) -> Posted:
    """Read a change as JSON, cut to PagerDuty's limits. Links without an address are left out, unknown fields ignored.

    Raises MalformedChangeError.
    """
    try:
        given = msgspec.json.decode(body, type=_Body)
        links = [{"href": link.href, "text": link.text or ""} for link in given.links or () if link.href]
        event = events.change(given.summary, given.source or "", links, given.details or {})
        at = given.at.astimezone(UTC) if given.at else None
    except RecursionError:
        raise MalformedChangeError("the body is nested too deeply") from None
    except OverflowError:
        raise MalformedChangeError("at is no time that can be") from None
    except (msgspec.ValidationError, events.LinkError) as problem:
        raise MalformedChangeError(str(problem)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise MalformedChangeError(f"the body is not JSON: {problem}") from None
    if not event["payload"]["summary"]:
        raise MalformedChangeError("summary is empty")
    if _is_deeper(event, _DEEPEST):
        raise MalformedChangeError("details is nested too deeply")
    return Posted(event, given.target or None, at)


def _is_deeper(value: Any, most: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not most or any(_is_deeper(one, most - 1) for one in inside)


def at_its_time(event: dict[str, Any], at: datetime) -> dict[str, Any]:
    """The change event with the time of the change, without its routing key."""
    return {**event, "payload": {**event["payload"], "timestamp": rfc3339(at)}}


@dataclass(frozen=True, slots=True)
class Record:
    """What an attempt to send a change leaves behind."""

    state: State
    due_at: datetime
    error: str | None
    sent_at: datetime | None


def record(received_at: datetime, outcome: Outcome, now: datetime, delay: timedelta) -> Record:
    """What the outcome of an attempt makes of a change; `delay` is for what is to be tried again, for an hour at most."""
    if isinstance(outcome, Sent):
        return Record("sent", now, None, now)
    if isinstance(outcome, Refused):
        return Record("dead", now, "; ".join(outcome.errors), None)
    if now + delay > received_at + GIVE_UP_AFTER:
        return Record("dead", now, f"given up after an hour: {reason_of(outcome)}", None)
    return Record("pending", now + delay, reason_of(outcome), None)
