"""Alertmanager's webhook body (version 4) as values.

Source: Alertmanager's webhook receiver. Fields that are not listed here are ignored: `version` is not bumped
when fields are added.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import msgspec

_ZERO_YEAR = 1
_LONGEST_FINGERPRINT = 64
_MOST_TRUNCATED = 2**31 - 1
GRAFANAS = ("dashboardURL", "panelURL", "silenceURL", "imageURL")
"""Addresses that Grafana's webhook has beside Alertmanager's fields; they are kept as annotations."""
_OPTIONAL = {"receiver": str, "externalURL": str, "truncatedAlerts": int}


class MalformedError(Exception):
    """The body, or every alert in it, cannot be read; the text is one clear line for the sender's log."""


class _UnreadableError(Exception):
    """One alert cannot be read; the text says why."""


class Alert(msgspec.Struct, frozen=True, gc=False):
    """One member of a notification.

    `fingerprint` is 16 lowercase hex digits in Alertmanager's own bodies, any text elsewhere. `starts_at` is aware, UTC, in
    microseconds; `ends_at` is None while the alert fires.
    """

    firing: bool
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None
    generator_url: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An alert that could not be read: why, and as much of it as helps a person."""

    error: str
    body: str


@dataclass(frozen=True, slots=True)
class Notification:
    """One webhook body. `truncated` counts the alerts that `max_alerts` cut off."""

    source: str
    group_key: str
    receiver: str
    external_url: str
    truncated: int
    alerts: tuple[Alert, ...]
    unreadable: tuple[Unreadable, ...] = ()


class _Alert(msgspec.Struct):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    startsAt: str  # noqa: N815
    annotations: dict[str, str] = {}
    endsAt: str = ""  # noqa: N815
    generatorURL: str = ""  # noqa: N815
    fingerprint: str = ""
    dashboardURL: str = ""  # noqa: N815
    panelURL: str = ""  # noqa: N815
    silenceURL: str = ""  # noqa: N815
    imageURL: str = ""  # noqa: N815
    values: dict[str, float | None] | None = None


class _Body(msgspec.Struct):
    alerts: list[_Alert]
    groupKey: str  # noqa: N815
    receiver: str = ""
    externalURL: str = ""  # noqa: N815
    truncatedAlerts: int = 0  # noqa: N815


_decoder = msgspec.json.Decoder(_Body)


def parse(body: bytes, source: str = "default") -> Notification:
    """Read a webhook body.

    A body as Alertmanager sends it takes the fast path. Anything else is read leniently, alert by alert: what cannot be
    read is in `unreadable`. Raises MalformedError when the envelope cannot be read.
    """
    if b"\\u0000" not in body:
        try:
            envelope = _decoder.decode(body)
            return _notification(envelope, source, [_alert(alert) for alert in envelope.alerts], [])
        except (msgspec.DecodeError, _UnreadableError, RecursionError, UnicodeDecodeError):
            pass
    return _parse_leniently(body, source)


def _notification(envelope: _Body, source: str, alerts: list[Alert], unreadable: list[Unreadable]) -> Notification:
    if not envelope.groupKey:
        raise MalformedError("groupKey is empty")
    return Notification(
        source,
        envelope.groupKey,
        envelope.receiver,
        envelope.externalURL,
        min(max(envelope.truncatedAlerts, 0), _MOST_TRUNCATED),
        tuple(alerts),
        tuple(unreadable),
    )


def _parse_leniently(body: bytes, source: str) -> Notification:
    raw = _load(body)
    if not isinstance(raw, dict):
        raise MalformedError(f"the body is {_kind(raw)}, not an object")
    for name in ("alerts", "groupKey"):
        if name not in raw:
            raise MalformedError(f"{name} is missing")
    if not isinstance(raw["alerts"], list):
        raise MalformedError(f"alerts is {_kind(raw['alerts'])}, not an array")
    optional = {name: raw[name] for name, kind in _OPTIONAL.items() if isinstance(raw.get(name), kind)}
    try:
        envelope = msgspec.convert({"alerts": [], "groupKey": raw["groupKey"], **optional}, _Body)
    except msgspec.ValidationError as error:
        raise MalformedError(str(error)) from None
    alerts: list[Alert] = []
    unreadable: list[Unreadable] = []
    for item in raw["alerts"]:
        try:
            alerts.append(_alert(_convert(item)))
        except _UnreadableError as error:
            unreadable.append(Unreadable(str(error), json.dumps(item)[:2000]))
    return _notification(envelope, source, alerts, unreadable)


def _load(body: bytes) -> Any:
    if not body.strip():
        raise MalformedError("the body is empty")
    try:
        return _clean(json.loads(body.decode()))
    except UnicodeDecodeError as error:
        raise MalformedError(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise MalformedError("the body is nested too deeply") from None
    except ValueError as error:
        raise MalformedError(f"the body is not JSON: {error}") from None


def _clean(value: Any) -> Any:
    """Replace what is valid JSON but cannot be stored or sent on: lone surrogates and NUL."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value


def _convert(item: Any) -> _Alert:
    if not isinstance(item, dict):
        raise _UnreadableError(f"the alert is {_kind(item)}, not an object")
    if not isinstance(item.get("labels"), dict):
        raise _UnreadableError(f"labels is {_kind(item.get('labels'))}, not an object")
    texts = {name: _texts(item.get(name)) for name in ("labels", "annotations")}
    others = {
        name: item[name] for name in ("status", "startsAt", "endsAt", "generatorURL", "fingerprint") if item.get(name) is not None
    }
    others |= {name: item[name] for name in GRAFANAS if isinstance(item.get(name), str)}
    others["values"] = _numbers(item.get("values"))
    try:
        return msgspec.convert({**others, **texts}, _Alert)
    except msgspec.ValidationError as error:
        raise _UnreadableError(str(error)) from None


def _numbers(values: Any) -> dict[str, float]:
    named = values.items() if isinstance(values, dict) else ()
    return {name: value for name, value in named if isinstance(value, int | float) and not isinstance(value, bool)}


def _texts(values: Any) -> dict[str, str]:
    if not isinstance(values, dict):
        return {}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items() if value is not None}


def _alert(raw: _Alert) -> Alert:
    firing = raw.status == "firing"
    starts_at = _time(raw.startsAt)
    if starts_at is None:
        raise _UnreadableError(f"startsAt {raw.startsAt[:40]!r} is not an RFC 3339 time")
    fingerprint = raw.fingerprint or fingerprint_of(raw.labels)
    if len(fingerprint) > _LONGEST_FINGERPRINT:
        fingerprint = hashlib.sha256(fingerprint.encode()).hexdigest()
    ends_at = None if firing else _time(raw.endsAt)
    is_grafanas = raw.values or raw.dashboardURL or raw.panelURL or raw.silenceURL or raw.imageURL
    annotations = _with_grafanas(raw) if is_grafanas else raw.annotations
    return Alert(firing, raw.labels, annotations, starts_at, ends_at, raw.generatorURL, fingerprint)


def _with_grafanas(raw: _Alert) -> dict[str, str]:
    """Its annotations, and what only Grafana's own alerting sends, under the names that it has there."""
    urls = {name: url for name in GRAFANAS if (url := getattr(raw, name))}
    values = [value for value in (raw.values or {}).values() if value is not None]
    value = {"value": f"{values[0]:g}"} if len(values) == 1 else {}
    return {**value, **urls, **raw.annotations} if urls or value else raw.annotations


@lru_cache(1024)
def _time(text: str) -> datetime | None:
    """A time in UTC, cut to microseconds; None for what is no time, Go's zero time included."""
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None or time.year == _ZERO_YEAR:
            return None
        return time if time.tzinfo is UTC else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def fingerprint_of(labels: dict[str, str]) -> str:
    """The fingerprint that Alertmanager gives these labels: FNV-1a-64 over the sorted pairs, 16 hex digits."""
    value = 0xCBF29CE484222325
    for name, text in sorted(labels.items()):
        for byte in name.encode() + b"\xff" + text.encode() + b"\xff":
            value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")
