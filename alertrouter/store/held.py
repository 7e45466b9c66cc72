"""What Alertmanager holds of open incidents, for every replica and across restarts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from alertrouter.moments import to_micros
from alertrouter.store.database import Transaction
from alertrouter.tables import HeldRow

_held: Any = HeldRow.__table__  # type: ignore[attr-defined]


def save(tx: Transaction, incident_id: str, absent_since: datetime | None, silenced: tuple[str, datetime] | None) -> None:
    """Keep what was seen of an incident; nothing of note is no row."""
    if absent_since is None and silenced is None:
        tx.run(_delete, [{"b_id": incident_id}])
        return
    by, until = silenced or (None, None)
    row: Mapping[str, Any] = {
        "incident_id": incident_id,
        "absent_since": absent_since and to_micros(absent_since),
        "silenced_by": by,
        "silenced_until": until and to_micros(until),
    }
    tx.run(_upsert, [row])


def _upsert(postgres: bool) -> ClauseElement:
    statement: Any = (postgresql if postgres else sqlite).insert(_held)
    names = ("absent_since", "silenced_by", "silenced_until")
    values: dict[str, Any] = {name: bindparam(name) for name in ("incident_id", *names)}
    changed = {name: statement.excluded[name] for name in names}
    return statement.values(values).on_conflict_do_update(index_elements=["incident_id"], set_=changed)  # type: ignore[no-any-return]


def _delete(_postgres: bool) -> ClauseElement:
    return delete(_held).where(_held.c.incident_id == bindparam("b_id"))
