"""What each routing key takes at the moment, as PagerDuty's answers tell: PURE. The worker asks before it claims.

A key that PagerDuty limits (429) waits for as long as it was told. A key whose attempts fail one after the other is probed: a
few deliveries at a time, with pauses between. So a PagerDuty that is down for an hour is not stormed, and does not hold up the
other keys; most of what is owed is never attempted meanwhile, and is superseded without a trace if it is over by then.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from alertrouter.pagerduty.outcomes import Failed, Limited, Outcome

FAILURES_IN_A_ROW = 3
"""With so many a key is failing: one event that never gets through is no sign of it."""
PROBES = 4
PAUSE = timedelta(seconds=1)
"""No longer than what a delivery waits after so many failures: nothing is held up that would be tried."""


class Keys:
    """The state of the routing keys, by their fingerprints. `in_flight` is how many attempts are under way with each."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._pauses: dict[str, tuple[datetime, datetime]] = {}

    def answered(self, key: str, outcome: Outcome, wait: timedelta, now: datetime) -> bool:
        """Take in what came of an attempt; `wait` is for a key that is limited.

        True if the key was failing and works again: what waits for its next attempt may go at once.
        """
        if isinstance(outcome, Failed):
            self._failures[key] = self._failures.get(key, 0) + 1
            if self.is_failing(key):
                self._pause(key, now, PAUSE)
            return False
        was_failing = self.is_failing(key)
        self._failures.pop(key, None)
        if isinstance(outcome, Limited):
            self._pause(key, now, wait)
            return False
        if was_failing:
            self._pauses.pop(key, None)
        return was_failing

    def is_failing(self, key: str) -> bool:
        """Whether its last attempts failed, so many in a row that it is no accident."""
        return self._failures.get(key, 0) >= FAILURES_IN_A_ROW

    def closed(self, in_flight: Mapping[str, int], now: datetime) -> frozenset[str]:
        """The keys that take nothing now: they pause, or are failing and have all their probes under way."""
        return frozenset(self._paused(now)) | {key for key, left in self._probes_left(in_flight).items() if left <= 0}

    def most(self, free: int, in_flight: Mapping[str, int], now: datetime) -> int:
        """How many deliveries to claim at once of `free`: all of them may be probes of the same key."""
        paused = self._paused(now)
        left = [left for key, left in self._probes_left(in_flight).items() if left > 0 and key not in paused]
        return min([free, *left])

    def opens_in(self, now: datetime) -> timedelta | None:
        """How long until a pause ends, None if there is none."""
        return min((until - now for until in self._paused(now).values()), default=None)

    def keep(self, known: Collection[str]) -> None:
        """Forget the others: nothing is sent with a key that is not configured any more."""
        self._failures = {key: count for key, count in self._failures.items() if key in known}

    def _pause(self, key: str, now: datetime, wait: timedelta) -> None:
        """A shorter one does not cut a longer one short."""
        self._pauses[key] = (now, max(now + wait, self._paused(now).get(key, now)))

    def _paused(self, now: datetime) -> dict[str, datetime]:
        """Until when. A pause that has not begun yet was one before the clock was set back, and is over."""
        self._pauses = {key: (start, until) for key, (start, until) in self._pauses.items() if start <= now < until}
        return {key: until for key, (_, until) in self._pauses.items()}

    def _probes_left(self, in_flight: Mapping[str, int]) -> dict[str, int]:
        return {key: PROBES - in_flight.get(key, 0) for key in self._failures if self.is_failing(key)}
