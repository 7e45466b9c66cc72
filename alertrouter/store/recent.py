"""What is known of the incidents that were read or written lately, so that a repeat reads one row and decodes nothing.

The row of an incident is read, and locked, every time: it is the version of all that belongs to the incident. Whatever changes a
member counts a notification or ends the incident, in this process or in another one, so that a row which is as it was means
that the members are, too. What a transaction read and wrote is taken in after its commit alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alertrouter.incidents import State

MOST_INCIDENTS = 8_192
"""Some 10 MB of rows."""
MOST_MEMBERS = 4_096
"""Some 10 MB of alerts, of the incidents that are being opened, paged and closed just now."""
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """An incident: its row, its state if that is kept, and a mark, which is the same object for as long as notifications are
    counted and nothing else is changed."""

    row: Row
    state: State | None
    mark: object

    def without_state(self) -> "Known":
        """The row and the mark alone."""
        return Known(self.row, None, self.mark)


class Recent:
    """Incidents by id; those that nobody asked for longest are let go, and their states before that."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._members: dict[str, int] = {}
        self._all_members = 0

    def get(self, row: Row) -> Known | None:
        """The incident of a row that begins with its id; None if it is not known, or not as it is now."""
        known = self._known.get(row[0])
        return known if known is not None and known.row == row else None

    def take_in(self, committed: Mapping[str, Known]) -> None:
        """Know these from now on; of one with more alerts than are kept, the row alone."""
        for incident_id, known in committed.items():
            self._forget_state(incident_id)
            self._known.pop(incident_id, None)  # and so put it last
            self._known[incident_id] = known
            if known.state is not None and len(known.state.members) <= MOST_MEMBERS:
                self._members[incident_id] = len(known.state.members)
                self._all_members += len(known.state.members)
            elif known.state is not None:
                self._known[incident_id] = known.without_state()
        while self._all_members > MOST_MEMBERS:
            oldest = next(iter(self._members))
            self._forget_state(oldest)
            self._known[oldest] = self._known[oldest].without_state()
        while len(self._known) > MOST_INCIDENTS:
            oldest = next(iter(self._known))
            self._forget_state(oldest)
            del self._known[oldest]

    def let_go(self, incident_id: str) -> None:
        """Keep no alerts of it: nobody is likely to ask for them soon."""
        if known := self._known.get(incident_id):
            self._forget_state(incident_id)
            self._known[incident_id] = known.without_state()

    def clear(self) -> None:
        """Know nothing any more: the database may be another one now."""
        self._known.clear()
        self._members.clear()
        self._all_members = 0

    def _forget_state(self, incident_id: str) -> None:
        self._all_members -= self._members.pop(incident_id, 0)
