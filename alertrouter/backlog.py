"""What PagerDuty has not got, in numbers."""

from dataclasses import dataclass

from alertrouter.store import queries
from alertrouter.store.database import Database


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many deliveries are pending and dead, and for how many seconds the oldest pending one has been owed, 0 if none is."""

    pending: int
    dead: int
    oldest_seconds: float


def measure(database: Database) -> Backlog:
    """Read the backlog as it is now; the counts cost as much as there are such rows, whatever was sent before."""
    now = database.read_now()
    with database.read() as session:
        counts = queries.delivery_counts(session)
        oldest = queries.oldest_pending(session)
    return Backlog(counts["pending"], counts["dead"], max((now - oldest).total_seconds(), 0.0) if oldest else 0.0)
