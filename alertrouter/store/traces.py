"""The trace contexts of deliveries, written and read only where traces are on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from alertrouter.deliveries import Delivery
from alertrouter.incidents import Change
from alertrouter.store.database import Transaction, is_among
from alertrouter.tables import TraceRow
from alertrouter.traces import is_on

_trace: Any = TraceRow.__table__  # type: ignore[attr-defined]


def remember(tx: Transaction, changes: Sequence[Change], context: str) -> None:
    """Keep `context` for every event that these decisions owe."""
    if context:
        rows = {
            (send.key, send.action): {
                "dedup_key": send.key,
                "action": send.action,
                "incident_id": change.state.incident.id,
                "context": context,
            }
            for change in changes
            for send in change.sends
        }
        tx.run(_upsert, [rows[key] for key in sorted(rows)])


def recall(tx: Transaction, incident_ids: Iterable[str]) -> dict[tuple[str, str], str]:
    """The contexts that are kept for these incidents, by key and action."""
    if not is_on():
        return {}
    rows = tx.fetch(_select, ids=tx.array(incident_ids))
    return {(key, action): context for key, action, context in rows}


def of_delivery(contexts: Mapping[tuple[str, str], str], delivery: Delivery) -> str:
    """What had this event sent; if that was not traced, what opened its incident."""
    return contexts.get((delivery.key, delivery.action)) or of_incident(contexts, delivery.incident_id)


def of_incident(contexts: Mapping[tuple[str, str], str], incident_id: str) -> str:
    """What opened this incident, empty where that is not known."""
    return contexts.get((incident_id, "trigger"), "")


def _select(postgres: bool) -> ClauseElement:
    wanted = is_among(_trace.c.incident_id, "ids", postgres)
    return select(_trace.c.dedup_key, _trace.c.action, _trace.c.context).where(wanted)


def _upsert(postgres: bool) -> ClauseElement:
    statement: Any = (postgresql if postgres else sqlite).insert(_trace)
    excluded = {"context": statement.excluded["context"]}
    return statement.on_conflict_do_update(index_elements=["dedup_key", "action"], set_=excluded)  # type: ignore[no-any-return]
