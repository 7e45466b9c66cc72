"""Values of `alertrouter.incidents` to and from rows, for statements that run on the driver.

Columns have the names of the fields; the tables' own types say how to translate. A test holds the two together.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from alertrouter.columns import to_json
from alertrouter.escalation import Policy, Step
from alertrouter.incidents import Incident, Member, Page
from alertrouter.moments import from_micros, to_micros

Row = dict[str, Any]
LONGEST_NAME = 256
_MOST_KEYS = 1024
"""One batch asks for the same keys again and again."""
_MOST_KINDS = 256
"""Of policies and holds, which most incidents share."""
_MOMENTS = frozenset(
    (
        "opened_at",
        "armed_at",
        "due_at",
        "resolve_at",
        "acknowledged_at",
        "resolved_at",
        "snoozed_until",
        "starts_at",
        "joined_at",
        "ends_at",
    )
)
_BOOLEANS = frozenset(("per_alert", "repage_on_new_alert", "resolved_by_person", "firing"))
_steps = msgspec.json.Decoder(tuple[Step, ...])
_pages = msgspec.json.Decoder(tuple[Page, ...])
_texts = msgspec.json.Decoder(dict[str, str])
_hold = msgspec.json.Decoder(timedelta)


def digest(*parts: str) -> str:
    """A short hash of unbounded texts, fit for an index: 32 hex digits."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


@lru_cache(_MOST_KEYS)
def subject_key(source: str, subject: str, *, per_alert: bool) -> str:
    """What the incidents of one group, or of one alert, have in common."""
    return digest("alert" if per_alert else "group", source, subject)


@lru_cache(_MOST_KEYS)
def incident_key(source: str, subject: str, target: str, *, per_alert: bool) -> str:
    """The hash of an incident key: (source, fingerprint), or (source, group key, target)."""
    return digest("alert", source, subject) if per_alert else digest("group", source, subject, target)


@lru_cache(_MOST_KINDS)
def _policy_from(steps: str, source: str) -> Policy:
    return Policy(_steps.decode(steps), source)


@lru_cache(_MOST_KINDS)
def _hold_from(text: str) -> timedelta:
    return _hold.decode(text)


@lru_cache(_MOST_KINDS)
def _text_of(value: timedelta | tuple[Step, ...]) -> str:
    return to_json(value)


def _moment(value: datetime | None) -> int | None:
    return None if value is None else to_micros(value)


def _from_moment(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)


def _same(value: Any) -> Any:
    return value


def _decoder_of(name: str) -> Callable[[Any], Any]:
    if name in _MOMENTS:
        return _from_moment
    special: dict[str, Callable[[Any], Any]] = {
        "resolve_hold": _hold_from,
        "pages": _pages.decode,
        "labels": _texts.decode,
        "annotations": _texts.decode,
    }
    return special.get(name, _same)


MEMBER_COLUMNS = Member.__struct_fields__
_MEMBER_DECODERS = tuple(bool if name == "firing" else _decoder_of(name) for name in MEMBER_COLUMNS)
INCIDENT_COLUMNS = tuple(
    column
    for name in Incident.__struct_fields__
    for column in (("policy_steps", "policy_source") if name == "policy" else (name,))
)
_PLAIN = tuple(name for name in INCIDENT_COLUMNS if not name.startswith("policy_"))
_INCIDENT_DECODERS = tuple(bool if name in _BOOLEANS and name != "firing" else _decoder_of(name) for name in INCIDENT_COLUMNS)
_POLICY_PLACE = INCIDENT_COLUMNS.index("policy_steps")
COUNTERS = ("receiver", "external_url", "notifications", "firing", "resolved", "truncated")
"""What a notification sets also when it tells nothing new."""
_COUNTER_PLACES = tuple((INCIDENT_COLUMNS.index(name), name) for name in COUNTERS)
_SUBJECT_PLACES = tuple(INCIDENT_COLUMNS.index(name) for name in ("source", "subject", "per_alert"))
but_for_counters = attrgetter(*(name for name in Incident.__struct_fields__ if name not in COUNTERS))
"""All the rest of an incident."""


def subject_of(row: tuple[Any, ...]) -> str:
    """The subject key of a row that holds INCIDENT_COLUMNS."""
    source, subject, per_alert = (row[place] for place in _SUBJECT_PLACES)
    return subject_key(source, subject, per_alert=bool(per_alert))


def counters_of(row: tuple[Any, ...]) -> Row:
    """The counters of a row that holds INCIDENT_COLUMNS."""
    return {name: row[place] for place, name in _COUNTER_PLACES}


def counted(row: tuple[Any, ...], counters: Mapping[str, Any]) -> tuple[Any, ...]:
    """A row that holds INCIDENT_COLUMNS, with these counters."""
    values = list(row)
    for place, name in _COUNTER_PLACES:
        values[place] = counters[name]
    return tuple(values)


def incident_row(incident: Incident) -> Row:
    """All columns of an incident, keys and `latest` included."""
    row: Row = {name: getattr(incident, name) for name in _PLAIN}
    for name in _MOMENTS & row.keys():
        row[name] = _moment(row[name])
    row["resolve_hold"] = _text_of(incident.resolve_hold)
    row["pages"] = to_json(incident.pages)
    row["policy_steps"] = _text_of(incident.policy.steps)
    row["policy_source"] = incident.policy.source
    per_alert = incident.per_alert
    row["key"] = incident_key(incident.source, incident.subject, incident.target, per_alert=per_alert)
    row["subject_key"] = subject_key(incident.source, incident.subject, per_alert=per_alert)
    row["latest"] = True
    return row


def incident_from(row: Iterable[Any]) -> Incident:
    """The incident of a row that holds INCIDENT_COLUMNS in their order."""
    values: list[Any] = [decode(value) for decode, value in zip(_INCIDENT_DECODERS, row, strict=True)]
    values[_POLICY_PLACE : _POLICY_PLACE + 2] = [_policy_from(*values[_POLICY_PLACE : _POLICY_PLACE + 2])]
    return Incident(*values)


def alert_name(labels: Mapping[str, str]) -> str:
    """The name that alerts are looked up by; index entries are bounded, names are not."""
    return labels.get("alertname", "")[:LONGEST_NAME]


def member_row(incident_id: str, member: Member) -> Row:
    """All columns of an alert."""
    return {
        "incident_id": incident_id,
        "fingerprint": member.fingerprint,
        "name": alert_name(member.labels),
        "firing": member.firing,
        "labels": to_json(member.labels),
        "annotations": to_json(member.annotations),
        "generator_url": member.generator_url,
        "severity": member.severity,
        "title": member.title,
        "starts_at": to_micros(member.starts_at),
        "joined_at": to_micros(member.joined_at),
        "ends_at": _moment(member.ends_at),
        "resolved_at": _moment(member.resolved_at),
        "section": member.section,
    }


def member_from(row: Iterable[Any]) -> Member:
    """The member of a row that holds MEMBER_COLUMNS in their order."""
    values: list[Any] = [decode(value) for decode, value in zip(_MEMBER_DECODERS, row, strict=True)]
    return Member(*values)
