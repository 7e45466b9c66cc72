"""Alerts that could not be read are kept, so that a person can see them."""

from collections.abc import Sequence

from sqlalchemy import bindparam, insert
from sqlalchemy.sql import ClauseElement

from alertrouter.alertmanager import Notification
from alertrouter.moments import to_micros
from alertrouter.store.database import Transaction
from alertrouter.tables import UnreadableRow

_MOST_EACH = 100


def keep(tx: Transaction, notifications: Sequence[Notification]) -> list[None]:
    """Record what could not be read, at most 100 alerts of each notification."""
    rows = [
        {
            "received_at": to_micros(tx.now),
            "source": one.source,
            "group_key": one.group_key,
            "error": alert.error,
            "body": alert.body,
        }
        for one in notifications
        for alert in one.unreadable[:_MOST_EACH]
    ]
    tx.run(_insert, rows)
    return [None] * len(notifications)


def _insert(_postgres: bool) -> ClauseElement:
    names = ("received_at", "source", "group_key", "error", "body")
    return insert(UnreadableRow).values({name: bindparam(name) for name in names})
