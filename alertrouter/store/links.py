"""What PagerDuty has told: which of its incidents holds which of our keys, and which webhooks were heard."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, literal_column, null, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from alertrouter.moments import from_micros, to_micros
from alertrouter.store.database import Transaction
from alertrouter.tables import DeliveryRow, IncidentRow, PagerDutyMergeRow, PagerDutyPageRow, PagerDutyWebhookRow

_page: Any = PagerDutyPageRow.__table__  # type: ignore[attr-defined]
_webhook: Any = PagerDutyWebhookRow.__table__  # type: ignore[attr-defined]
_merge: Any = PagerDutyMergeRow.__table__  # type: ignore[attr-defined]
_delivery: Any = DeliveryRow.__table__  # type: ignore[attr-defined]
_incident: Any = IncidentRow.__table__  # type: ignore[attr-defined]
_MOST_MERGES = 10


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The newest acknowledge of a key that PagerDuty is or was owed."""

    is_owed: bool
    sent_at: datetime | None


def acknowledgement(tx: Transaction, key: str) -> Acknowledgement | None:
    """What became of our acknowledge of a key; None if there is none."""
    rows = tx.fetch(_select_acknowledge, key=key)
    return Acknowledgement(rows[0][0] == "pending", from_micros(rows[0][1]) if rows[0][1] else None) if rows else None


def unsent(tx: Transaction, incident_id: str) -> frozenset[str]:
    """The keys of an incident whose page PagerDuty has refused, or that were dropped before it got them."""
    return frozenset(key for (key,) in tx.fetch(_select_unsent, incident_id=incident_id))


def is_latest_event(tx: Transaction, pagerduty_id: str, occurred_at: datetime | None) -> bool:
    """Remember when the newest event of a PagerDuty incident happened; False for one that is older than another one."""
    if occurred_at is None:
        return True
    at = to_micros(occurred_at)
    [(newest,)] = tx.fetch(_select_told, pagerduty_id=pagerduty_id)
    if newest is not None and newest > at:
        return False
    tx.run(_told, [{"b_id": pagerduty_id, "at": at}])
    return True


def is_news(tx: Transaction, webhook_id: str) -> bool:
    """Remember a webhook; whether it had not been heard before."""
    return tx.run_one(_remember, id=webhook_id, received_at=to_micros(tx.now)) > 0


def link(tx: Transaction, pagerduty_id: str, keys: Mapping[str, str]) -> None:
    """Note that a PagerDuty incident holds these keys (with the incidents of ours that they belong to)."""
    at = to_micros(tx.now)
    rows = [
        {"dedup_key": key, "pagerduty_id": pagerduty_id, "incident_id": incident_id, "linked_at": at, "told_at": None}
        for key, incident_id in sorted(keys.items())
    ]
    tx.run(_link, rows)
    tx.run(_confirm, [{"b_key": key} for key in sorted(keys)])


def merged(tx: Transaction, source: str, into: str) -> str:
    """Remember that an incident was merged into another one; which one holds its alerts by now: that may have been merged on.

    Webhooks come in order for each incident, and in any order for several.
    """
    tx.run(_merged, [{"pagerduty_id": source, "into_id": into, "merged_at": to_micros(tx.now)}])
    for _ in range(_MOST_MERGES):
        found = tx.fetch(_select_merge, pagerduty_id=into)
        if not found:
            break
        into = found[0][0]
    return into


def relink(tx: Transaction, source: str, into: str) -> None:
    """A PagerDuty incident was merged into another one."""
    tx.run(_relink, [{"source": source, "into": into}])


def pages_on(tx: Transaction, pagerduty_id: str) -> dict[str, set[str]]:
    """The keys that a PagerDuty incident holds, by incident of ours."""
    found: dict[str, set[str]] = {}
    for key, incident_id in tx.fetch(_select_pages, pagerduty_id=pagerduty_id):
        found.setdefault(incident_id, set()).add(key)
    return found


def is_latest(tx: Transaction, incident_id: str) -> bool:
    """Whether no newer episode of the same key has been opened."""
    return bool(tx.fetch(_select_latest, id=incident_id))


def warn_unconfirmed(tx: Transaction, delivery_id: int) -> bool:
    """Mark a delivery as unconfirmed; whether it was not before."""
    return tx.run_one(_warn, b_id=delivery_id, at=to_micros(tx.now)) > 0


def _insert(postgres: bool, table: Any) -> Any:
    return (postgresql if postgres else sqlite).insert(table)


def _remember(postgres: bool) -> ClauseElement:
    return _insert(postgres, _webhook).on_conflict_do_nothing()  # type: ignore[no-any-return]


def _link(postgres: bool) -> ClauseElement:
    statement = _insert(postgres, _page)
    moved = {"pagerduty_id": statement.excluded.pagerduty_id}
    return statement.on_conflict_do_update(index_elements=["dedup_key"], set_=moved)  # type: ignore[no-any-return]


def _confirm(_postgres: bool) -> ClauseElement:
    """PagerDuty has told of it after all."""
    return update(_delivery).where(_delivery.c.dedup_key == bindparam("b_key")).values(unconfirmed_at=null())


def _merged(postgres: bool) -> ClauseElement:
    statement = _insert(postgres, _merge)
    latest = {name: statement.excluded[name] for name in ("into_id", "merged_at")}
    return statement.on_conflict_do_update(index_elements=["pagerduty_id"], set_=latest)  # type: ignore[no-any-return]


def _select_merge(_postgres: bool) -> ClauseElement:
    return select(_merge.c.into_id).where(_merge.c.pagerduty_id == bindparam("pagerduty_id"))


def _relink(_postgres: bool) -> ClauseElement:
    return update(_page).where(_page.c.pagerduty_id == bindparam("source")).values(pagerduty_id=bindparam("into"))


def _select_acknowledge(_postgres: bool) -> ClauseElement:
    mine = (_delivery.c.dedup_key == bindparam("key"), _delivery.c.action == literal_column("'acknowledge'"))
    newest = select(_delivery.c.state, _delivery.c.sent_at).where(*mine).order_by(_delivery.c.id.desc())
    return newest.limit(literal_column("1"))


def _select_unsent(_postgres: bool) -> ClauseElement:
    lost = _delivery.c.state.in_((literal_column("'dead'"), literal_column("'superseded'")))
    mine = (_delivery.c.incident_id == bindparam("incident_id"), _delivery.c.action == literal_column("'trigger'"), lost)
    return select(_delivery.c.dedup_key).where(*mine)


def _select_told(_postgres: bool) -> ClauseElement:
    return select(func.max(_page.c.told_at)).where(_page.c.pagerduty_id == bindparam("pagerduty_id"))


def _told(_postgres: bool) -> ClauseElement:
    return update(_page).where(_page.c.pagerduty_id == bindparam("b_id")).values(told_at=bindparam("at"))


def _select_pages(_postgres: bool) -> ClauseElement:
    return select(_page.c.dedup_key, _page.c.incident_id).where(_page.c.pagerduty_id == bindparam("pagerduty_id"))


def _select_latest(_postgres: bool) -> ClauseElement:
    return select(_incident.c.id).where(_incident.c.id == bindparam("id"), _incident.c.latest)


def _warn(_postgres: bool) -> ClauseElement:
    mine = (_delivery.c.id == bindparam("b_id"), _delivery.c.unconfirmed_at.is_(None))
    return update(_delivery).where(*mine).values(unconfirmed_at=bindparam("at"))
