"""Heartbeats in the database: one row for each (route, source, fingerprint), and one for a route that never saw a beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from alertrouter.columns import to_json
from alertrouter.moments import from_micros, to_micros
from alertrouter.store.database import Transaction
from alertrouter.tables import HeartbeatRow

_heartbeat: Any = HeartbeatRow.__table__  # type: ignore[attr-defined]
_labels = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat: when the last beat came (None: never), when the next one is due, and the incident of its absence.

    `route` is the identity of its route, `labels` those of its alert (empty for a route that never saw one). `graced` says that
    it was given its interval anew, because nobody was there to hear it.
    """

    key: str
    route: str
    source: str
    labels: Mapping[str, str]
    beat_at: datetime | None
    due_at: datetime
    graced: bool
    incident_id: str | None


def load(tx: Transaction) -> list[Heartbeat]:
    """All of them, locked until the commit, in the order of their keys."""
    return [_heartbeat_from(row) for row in tx.fetch(_select)]


def save(tx: Transaction, beat: Heartbeat) -> None:
    """Write one, new or known."""
    row = {
        "key": beat.key,
        "route": beat.route,
        "source": beat.source,
        "labels": to_json(dict(beat.labels)),
        "beat_at": beat.beat_at and to_micros(beat.beat_at),
        "due_at": to_micros(beat.due_at),
        "graced": beat.graced,
        "incident_id": beat.incident_id,
    }
    tx.run(_upsert, [row])


def forget(tx: Transaction, key: str) -> None:
    """Remove one."""
    tx.run(_delete, [{"b_key": key}])


def _heartbeat_from(row: tuple[Any, ...]) -> Heartbeat:
    key, route, source, labels, beat_at, due_at, graced, incident_id = row
    beat = from_micros(beat_at) if beat_at is not None else None
    return Heartbeat(key, route, source, _labels.decode(labels), beat, from_micros(due_at), bool(graced), incident_id)


_NAMES = ("key", "route", "source", "labels", "beat_at", "due_at", "graced", "incident_id")


def _select(_postgres: bool) -> ClauseElement:
    return select(*(_heartbeat.c[name] for name in _NAMES)).order_by(_heartbeat.c.key).with_for_update()


def _upsert(postgres: bool) -> ClauseElement:
    statement: Any = (postgresql if postgres else sqlite).insert(_heartbeat)
    changeable = {name: statement.excluded[name] for name in _NAMES if name != "key"}
    return statement.on_conflict_do_update(index_elements=["key"], set_=changeable)  # type: ignore[no-any-return]


def _delete(_postgres: bool) -> ClauseElement:
    return delete(_heartbeat).where(_heartbeat.c.key == bindparam("b_key"))
