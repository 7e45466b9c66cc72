"""A database that was restored from a backup: what was due before is not done, and nobody is paged for it.

Whoever went on from the moment of the backup has most likely done it, and what is hours old pages nobody to any use.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from alertrouter.actions import save
from alertrouter.incidents import Change, Restored, decide
from alertrouter.store import incidents, restore
from alertrouter.store.database import Transaction
from alertrouter.store.restore import Owed

_WHY = "it was due before the database was restored"


@dataclass(frozen=True, slots=True)
class Report:
    """What a restore has set aside. `newest` is the last moment that the backup knows of; titles are those of open incidents."""

    newest: datetime | None
    deliveries: tuple[Owed, ...]
    changes: tuple[Change, ...]
    fallbacks: int
    change_events: int
    heartbeats: int
    open_titles: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """A line for each, for a person to read."""
        for one in self.deliveries:
            how = "was refused" if one.state == "dead" else f"owed since {one.created_at:%Y-%m-%d %H:%M:%S} UTC"
            yield f"{one.action} to {one.target}, {how}: {one.title} ({one.incident_id})"
        for change in self.changes:
            incident = change.state.incident
            for entry in change.entries:
                what = ", ".join(map(str, entry.detail["steps"])) if entry.kind == "restored" else ""  # type: ignore[arg-type]
                yield f"{f'step {what}' if what else 'the end of a held resolve'}: {incident.title} ({incident.id})"
        for count, what in (
            (self.fallbacks, "pages that were to go other ways"),
            (self.change_events, "change events"),
            (self.heartbeats, "heartbeats that are awaited anew"),
        ):
            if count:
                yield f"{what}: {count}"


def mark_restored(tx: Transaction, *, confirms: bool) -> Report:
    """Set aside what was due. `confirms` says that pages which PagerDuty does not confirm are warned of.

    Steps that come later are taken in time. A hold that is over closes its incident, which tells PagerDuty of it.
    """
    newest = restore.newest(tx)
    owed = restore.owed(tx)
    restore.supersede(tx, owed)
    for one in owed:
        what = {"action": one.action, "to": one.target, "by": "db restore", "error": _WHY}
        incidents.tell(tx, one.incident_id, "delivery_discarded", **what)
    due = incidents.load(tx, restore.with_timer_due(tx))
    changes = [change for state in due for change in decide(state, Restored(), tx.now)]
    save(tx, changes)
    if confirms:
        restore.confirm_pages(tx)
    return Report(
        newest,
        tuple(owed),
        tuple(changes),
        restore.drop_fallbacks(tx),
        restore.record_changes(tx),
        restore.grace_heartbeats(tx),
        tuple(restore.open_incidents(tx)),
    )
