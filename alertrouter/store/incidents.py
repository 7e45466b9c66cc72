"""Incidents in the database: load those that a batch is about, and write what was decided."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import bindparam, select, update
from sqlalchemy.sql import ClauseElement

from alertrouter.columns import to_json
from alertrouter.incidents import Change, Incident, Member, Send, State
from alertrouter.incidents.draft import SEVERITIES
from alertrouter.moments import to_micros
from alertrouter.runbooks.section import Section
from alertrouter.store import codec, timers
from alertrouter.store.database import Transaction, is_among
from alertrouter.store.many import ID, insert_many, update_many
from alertrouter.store.recent import Known, Row
from alertrouter.tables import AlertRow, DeliveryRow, IncidentRow, SectionRow, TimelineRow

_incident: Any = IncidentRow.__table__  # type: ignore[attr-defined]
_alert: Any = AlertRow.__table__  # type: ignore[attr-defined]
_timeline: Any = TimelineRow.__table__  # type: ignore[attr-defined]
_delivery: Any = DeliveryRow.__table__  # type: ignore[attr-defined]
_incident_columns = [_incident.c[name] for name in codec.INCIDENT_COLUMNS]
_section: Any = SectionRow.__table__  # type: ignore[attr-defined]
Line = tuple[str, str, Mapping[str, Any]]
"""Of a timeline: the incident's id, what happened, and the facts that its sentence needs."""


def latest_rows(tx: Transaction, subject_keys: Iterable[str]) -> list[Row]:
    """The rows of the newest episode of every incident key of these subjects, locked until the commit."""
    return tx.fetch(_select_latest, subject_keys=tx.array(subject_keys))


def load_latest(tx: Transaction, subject_keys: Iterable[str]) -> list[State]:
    """The newest episode of every incident key of these subjects, locked until the commit."""
    return of_rows(tx, latest_rows(tx, subject_keys))


def load(tx: Transaction, ids: Iterable[str]) -> list[State]:
    """These incidents, locked until the commit; those that do not exist are left out."""
    return of_rows(tx, tx.fetch(_select_by_id, ids=tx.array(ids)))


def look_at(tx: Transaction, ids: Iterable[str]) -> list[State]:
    """These incidents as they are, for what changes none of them: nobody is waited for."""
    return of_rows(tx, tx.fetch(_select_unlocked, ids=tx.array(ids)))


def save(tx: Transaction, changes: Sequence[Change]) -> None:
    """Write what was decided, in order. Several changes of one incident become one row."""
    opened = {change.state.incident.id for change in changes if change.opened}
    final = {change.state.incident.id: change.state for change in changes}
    counted = {name: _counters(state.incident) for name, state in final.items() if _is_repeat(tx, state.incident)}
    _write_counters(tx, counted)
    news = [change for change in changes if change.changed or change.entries or change.sends]
    changed = {change.state.incident.id for change in news}
    for name, counters in counted.items():
        seen = tx.seen[name]
        mark = object() if name in changed else seen.mark
        tx.seen[name] = Known(codec.counted(seen.row, counters), final.pop(name), mark)
    rows = {name: codec.incident_row(state.incident) for name, state in final.items()}
    new = [row for name, row in rows.items() if name in opened]
    newest = {row["key"]: row["id"] for row in new}
    for row in new:
        row["latest"] = newest[row["key"]] == row["id"]
    tx.run(_retire, [{"retired": row["key"]} for row in new if row["previous"]])
    tx.run_many(_update, [_for_update(row) for name, row in rows.items() if name not in opened])
    tx.run_many(_insert, sorted(new, key=lambda row: str(row["key"])))
    for name, row in rows.items():
        tx.seen[name] = Known(tuple(row[column] for column in codec.INCIDENT_COLUMNS), final[name], object())
    _save_parts(tx, news)
    timers.tell(tx, (state.incident.resolve_at or state.incident.due_at for state in final.values()))


def _is_repeat(tx: Transaction, incident: Incident) -> bool:
    """Whether the notifications told nothing new, as most of them: a few numbers are written then, and no index changes."""
    seen = tx.seen.get(incident.id)
    if seen is None or seen.state is None:
        return False
    return codec.but_for_counters(seen.state.incident) == codec.but_for_counters(incident)


def _counters(incident: Incident) -> codec.Row:
    return {name: getattr(incident, name) for name in codec.COUNTERS}


def count(tx: Transaction, counted: Mapping[str, codec.Row]) -> None:
    """Set the counters of incidents, by id, that this transaction has seen, and which are left alone otherwise."""
    _write_counters(tx, counted)
    for incident_id, counters in counted.items():
        seen = tx.seen[incident_id]
        state = seen.state and replace(seen.state, incident=replace(seen.state.incident, **counters))
        tx.seen[incident_id] = Known(codec.counted(seen.row, counters), state, seen.mark)


def _save_parts(tx: Transaction, changes: Sequence[Change]) -> None:
    members = {(change.state.incident.id, one.fingerprint): one for change in changes for one in change.changed}
    tx.run_many(_upsert_member, [codec.member_row(incident_id, member) for (incident_id, member) in _by_incident(members)])
    tell_all(tx, ((change.state.incident.id, entry.kind, entry.detail) for change in changes for entry in change.entries))
    deliveries = [row for change in changes for row in _delivery_rows(tx, change)]
    tx.run_many(_insert_delivery, deliveries)
    tx.deliveries = tx.deliveries or bool(deliveries)


def save_sections(tx: Transaction, sections: Iterable[Section]) -> None:
    """Keep the text of these sections; a revision that is there already stays."""
    names = [column.name for column in _section.columns]
    in_order = sorted(sections, key=lambda section: section.revision)
    tx.run_many(_insert_section, [{name: getattr(section, name) for name in names} for section in in_order])


def tell(tx: Transaction, incident_id: str, kind: str, **detail: Any) -> None:
    """Write a line on an incident's timeline."""
    tell_all(tx, [(incident_id, kind, detail)])


def tell_all(tx: Transaction, lines: Iterable[Line]) -> None:
    """Write lines on timelines."""
    at = to_micros(tx.now)
    rows = [
        {"incident_id": incident_id, "at": at, "kind": kind, "detail": to_json(detail)} for incident_id, kind, detail in lines
    ]
    tx.run_many(_insert_entry, rows)


def let_go(tx: Transaction, ids: Iterable[str]) -> None:
    """Keep no alerts of these incidents in memory, which this transaction has seen."""
    for incident_id in ids:
        tx.seen[incident_id] = tx.seen[incident_id].without_state()


def of_rows(tx: Transaction, rows: Sequence[Row]) -> list[State]:
    """The incidents of these rows, with their members."""
    see(tx, rows)
    members: dict[str, dict[str, Member]] = {row[0]: {} for row in rows if tx.seen[row[0]].state is None}
    if members:
        for incident_id, *values in tx.fetch(_select_members, ids=tx.array(members)):
            member = codec.member_from(values)
            members[incident_id][member.fingerprint] = member
    states = [tx.seen[row[0]].state or State(codec.incident_from(row), members[row[0]]) for row in rows]
    for row, state in zip(rows, states, strict=True):
        seen = tx.seen[row[0]]
        tx.seen[row[0]] = Known(seen.row, state, seen.mark)
    return states


def see(tx: Transaction, rows: Iterable[Row]) -> None:
    """Note what this transaction has read, and what is known of it."""
    for row in rows:
        seen = tx.seen.get(row[0])
        if seen is None or seen.row != row:
            tx.seen[row[0]] = tx.database.recent.get(row) or Known(row, None, object())


def _write_counters(tx: Transaction, counted: Mapping[str, codec.Row]) -> None:
    tx.run_many(_count, [{ID: incident_id} | counters for incident_id, counters in counted.items()])


def _by_incident(members: dict[tuple[str, str], Member]) -> list[tuple[str, Member]]:
    return [(incident_id, member) for (incident_id, _), member in sorted(members.items(), key=lambda item: item[0])]


def _for_update(row: codec.Row) -> codec.Row:
    return {ID: row["id"]} | {name: row[name] for name in _CHANGEABLE}


def _delivery_rows(tx: Transaction, change: Change) -> list[codec.Row]:
    return [_delivery_row(tx, change.state.incident, send) for send in change.sends]


def _delivery_row(tx: Transaction, incident: Incident, send: Send) -> codec.Row:
    now = to_micros(tx.now)
    return {
        "incident_id": incident.id,
        "target": send.target,
        "action": send.action,
        "dedup_key": send.key,
        "state": "pending",
        "urgency": SEVERITIES.index(incident.severity),
        "attempts": 0,
        "unsure": False,
        "leased": False,
        "cut": False,
        "created_at": now,
        "due_at": now,
    }


_CHANGEABLE = tuple(
    name
    for name in codec.INCIDENT_COLUMNS
    if name not in {"id", "source", "subject", "per_alert", "target", "opened_at", "policy_steps", "policy_source", "previous"}
)


def _select_latest(postgres: bool) -> ClauseElement:
    wanted = is_among(_incident.c.subject_key, "subject_keys", postgres)
    return select(*_incident_columns).where(_incident.c.latest, wanted).order_by(_incident.c.id).with_for_update()


def _select_by_id(postgres: bool) -> ClauseElement:
    return _by_id(postgres).with_for_update()  # type: ignore[no-any-return]


def _select_unlocked(postgres: bool) -> ClauseElement:
    return _by_id(postgres)  # type: ignore[no-any-return]


def _by_id(postgres: bool) -> Any:
    return select(*_incident_columns).where(is_among(_incident.c.id, "ids", postgres)).order_by(_incident.c.id)


def _select_members(postgres: bool) -> ClauseElement:
    columns = [_alert.c[name] for name in codec.MEMBER_COLUMNS]
    return select(_alert.c.incident_id, *columns).where(is_among(_alert.c.incident_id, "ids", postgres))


def _retire(_postgres: bool) -> ClauseElement:
    return update(_incident).where(_incident.c.latest, _incident.c.key == bindparam("retired")).values(latest=False)


def _insert(postgres: bool) -> Any:
    return insert_many(_incident, _incident.columns.keys(), postgres)


def _update(postgres: bool) -> ClauseElement:
    return update_many(_incident, _CHANGEABLE, postgres)


def _count(postgres: bool) -> ClauseElement:
    return update_many(_incident, codec.COUNTERS, postgres)


def _upsert_member(postgres: bool) -> Any:
    statement = insert_many(_alert, _alert.columns.keys(), postgres)
    changeable = ("firing", "annotations", "generator_url", "starts_at", "ends_at", "resolved_at")
    return statement.on_conflict_do_update(
        index_elements=["incident_id", "fingerprint"], set_={name: statement.excluded[name] for name in changeable}
    )


def _insert_section(postgres: bool) -> Any:
    return insert_many(_section, _section.columns.keys(), postgres).on_conflict_do_nothing()


def _insert_entry(postgres: bool) -> Any:
    return insert_many(_timeline, ("incident_id", "at", "kind", "detail"), postgres)


def _insert_delivery(postgres: bool) -> Any:
    names = (
        "incident_id",
        "target",
        "action",
        "dedup_key",
        "state",
        "urgency",
        "attempts",
        "unsure",
        "leased",
        "cut",
        "created_at",
        "due_at",
    )
    return insert_many(_delivery, names, postgres)
