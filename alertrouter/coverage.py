"""Which alerts have a runbook section, and which do not."""

from collections.abc import Sequence
from dataclasses import dataclass

from alertrouter.runbooks.match import Index
from alertrouter.store import queries
from alertrouter.store.database import Database
from alertrouter.tables import AlertRow


@dataclass(frozen=True, slots=True)
class Coverage:
    """`firing` counts the alerts that fire in open incidents, with a section and without.

    `known` holds the newest alert of every name that ever fired, `uncovered` those of them for which the runbooks of now have
    no section.
    """

    firing: tuple[int, int]
    known: Sequence[AlertRow]
    uncovered: Sequence[AlertRow]


def measure(database: Database, index: Index, public_url: str) -> Coverage:
    """Read the coverage as it is now."""
    with database.read() as session:
        firing = queries.firing_counts(session)
        known = queries.newest_of_each_name(session)
    uncovered = [alert for alert in known if index.find(alert.labels, alert.annotations, public_url) is None]
    return Coverage(firing, known, uncovered)
