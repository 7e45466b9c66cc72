"""What Alertmanager's own list says of an open incident: PURE. The rules: docs/promises.md (11)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from alertrouter.alertmanager_api import Look, Silence

TWICE = timedelta(minutes=5)
"""How long nothing must be held, from one look to another."""
UP = timedelta(minutes=10)
"""A fresh Alertmanager has forgotten everything, and is told again within minutes."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of one incident: since when no Alertmanager holds an alert of it, and the silence that covers all of them.

    `notifications` is how many it had absorbed before the Alertmanagers were looked at.
    """

    absent_since: datetime | None = None
    silence: Silence | None = None
    notifications: int = 0


Verdict = Literal["open", "over"]


def judge(before: Held, firing: Collection[str], looks: Sequence[Look | None], now: datetime) -> tuple[Held, Verdict]:
    """What to keep of an incident with these firing alerts, and whether it is over.

    `looks` has one for each Alertmanager of its source, None for one that could not be asked. Only if every one was asked, is up
    for long enough and agrees, twice, is the incident over.
    """
    answered = [one for one in looks if one is not None]
    held = [one.alerts for one in answered if one.alerts.keys() & set(firing)]
    if held:
        silences = [alerts[one] for alerts in held for one in firing if one in alerts]
        covered = [silence for silence in silences if silence is not None]
        is_silenced = len(covered) == len(silences)
        return Held(None, min(covered, key=lambda silence: silence.until) if is_silenced else None), "open"
    certain = firing and answered and len(answered) == len(looks) and all(one.up_since + UP <= now for one in answered)
    if not certain:
        return Held(before.absent_since if len(answered) < len(looks) else None), "open"
    since = before.absent_since or now
    return Held(since), "over" if since + TWICE <= now else "open"
