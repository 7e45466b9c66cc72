"""What is open, and what PagerDuty has not got, in numbers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from alertrouter.store import queries
from alertrouter.store.database import Database


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many deliveries are pending and dead, and for how many seconds the oldest pending one has been owed, 0 if none is.

    `open` counts the open incidents by severity and target; `keys` has the fingerprints of the routing keys that they were paged
    with, each with the name of its target then. `skew_seconds` is how far this process's clock is ahead of the
    database's.
    """

    pending: int
    dead: int
    oldest_seconds: float
    open: Mapping[tuple[str, str], int]
    skew_seconds: float
    keys: Mapping[str, str]

    def lost_keys(self, configured: Collection[str]) -> tuple[str, ...]:
        """The targets with a key that open incidents need and that is not among those: after a restart nobody could use it."""
        return tuple(sorted({target for key, target in self.keys.items() if key not in configured}))


def measure(database: Database) -> Backlog:
    """Read the backlog as it is now; the counts cost as much as there are such rows, whatever was sent before."""
    now = database.read_now()
    skew = (database.clock.now() - now).total_seconds() if database.asks_server else 0.0
    with database.read() as session:
        counts = queries.delivery_counts(session)
        oldest = queries.oldest_pending(session)
        is_open = queries.open_counts(session)
        keys = queries.keys_in_use(session)
    owed = max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
    return Backlog(counts["pending"], counts["dead"], owed, is_open, skew, keys)
