"""Incidents that were read or written lately, so that a repeat reads one row and decodes nothing.

The row of an incident is read, and locked, every time: it is the version of all that belongs to the incident. Whatever changes a
member counts a notification or ends the incident, in this process or in another one, so that a row which is as it was means
that the members are, too. What a transaction read and wrote is taken in after its commit alone.
"""

from collections.abc import Mapping
from typing import Any

from alertrouter.incidents import State

MOST_MEMBERS = 16_384
"""Some 30 MB of alerts."""
Row = tuple[Any, ...]


class Recent:
    """States by incident id, each with its row as the database holds it; those that nobody asked for longest are let go."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Row, State]] = {}
        self._members = 0

    def get(self, row: Row) -> State | None:
        """The state of a row that begins with its id; None if it is not known, or not as it is now."""
        known = self._known.get(row[0])
        return known[1] if known is not None and known[0] == row else None

    def take_in(self, committed: Mapping[str, tuple[Row, State]]) -> None:
        """Know these from now on."""
        for incident_id, known in committed.items():
            self._forget(incident_id)  # and so put it last
            self._known[incident_id] = known
            self._members += len(known[1].members)
        while self._members > MOST_MEMBERS:
            self._forget(next(iter(self._known)))

    def clear(self) -> None:
        """Know nothing any more: the database may be another one now."""
        self._known.clear()
        self._members = 0

    def _forget(self, incident_id: str) -> None:
        known = self._known.pop(incident_id, None)
        if known is not None:
            self._members -= len(known[1].members)
