"""Bodies that told nothing new when they came last, so that the next one like it is counted and not read.

Alertmanager sends the same bytes again and again for as long as nothing changes. Such a body changes nothing this time, too, if
its incidents are what they were then: each of them has the row that was left by counting alone (`alertrouter.store.recent`),
and no step of it has come due. If in doubt it is read and decided on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from alertrouter.routing import Routing
from alertrouter.store.codec import INCIDENT_COLUMNS
from alertrouter.store.recent import Recent, Row

MOST_SUBJECTS = 50_000
"""Of all bodies together; some 7 MB."""
LONGEST = 128 * 1024
"""Bytes; some 170 alerts."""
_DUE_AT = INCIDENT_COLUMNS.index("due_at")


@dataclass(frozen=True, slots=True)
class Repeat:
    """A body that told nothing new: what is counted of it, the subjects that it is about, and all incidents that these had.

    `marks` are the marks of those incidents by id; each was open, with alerts that fire, and all alerts of the body are members
    of them. `routing` is what the body was read by. `ids` is the answer.
    """

    subjects: tuple[str, ...]
    marks: Mapping[str, object]
    routing: Routing
    ids: list[str]
    source: str
    receiver: str
    external_url: str
    truncated: int
    alerts: int
    firing: int

    def holds(self, rows: Mapping[str, Row], recent: Recent, routing: Routing, now: int) -> bool:
        """Whether it would tell nothing new now, `rows` being those of its incidents; a row that is new is not looked for here.

        `now` in microseconds.
        """
        return routing is self.routing and all(
            (row := rows.get(incident_id)) is not None
            and (row[_DUE_AT] is None or row[_DUE_AT] > now)
            and (known := recent.get(row)) is not None
            and known.mark is mark
            for incident_id, mark in self.marks.items()
        )


class Repeats:
    """Repeats by source and body; those that came first are let go.

    A body is known by its length and by Python's hash of it, 64 bits under a secret of the process unless PYTHONHASHSEED is set:
    two bodies of one source that are taken for each other would have to meet in both.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], Repeat] = {}
        self._subjects = 0

    def find(self, source: str, body: bytes, routing: Routing) -> Repeat | None:
        """What is known of a body by this routing."""
        repeat = self._known.get((source, len(body), hash(body)))
        return repeat if repeat and repeat.routing is routing else None

    def keep(self, source: str, body: bytes, repeat: Repeat) -> None:
        """Know this body from now on, unless it is so long that to read it after all would hold up a transaction."""
        if len(body) > LONGEST:
            return
        self._forget((source, len(body), hash(body)))
        self._known[source, len(body), hash(body)] = repeat
        self._subjects += len(repeat.subjects)
        while self._subjects > MOST_SUBJECTS:
            self._forget(next(iter(self._known)))

    def _forget(self, body: tuple[str, int, int]) -> None:
        if repeat := self._known.pop(body, None):
            self._subjects -= len(repeat.subjects)
