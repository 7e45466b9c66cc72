"""PagerDuty's V3 webhooks: verifying and reading them: PURE.

Source: https://developer.pagerduty.com/docs/webhooks-overview and -signatures. Fields that are not listed are ignored.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

_OURS = "inbound_integration_reference"
_MERGED = "merge_resolve_reason"
_MOST_TEXT = 200


class UnreadableWebhookError(Exception):
    """The body is no webhook; the text says why."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One event of one PagerDuty incident.

    `kind` is the type without `incident.`. `pagerduty_id` is PagerDuty's incident, empty for a ping; `merged_into` the one that
    it was merged into. `by` is who did it, empty if nobody; `by_integration` says that it came through an integration: it is our
    own event coming back. `client_url` is what the trigger gave, where PagerDuty tells. `to` lists whom it is assigned to now.
    """

    kind: str
    pagerduty_id: str
    by: str
    by_integration: bool
    merged_into: str = ""
    client_url: str = ""
    to: tuple[str, ...] = ()


def is_signed(body: bytes, header: str, secrets: Iterable[str]) -> bool:
    """Whether one of the header's signatures is that of one of the secrets; every pair is compared, in constant time."""
    given = [part.strip() for part in header.split(",")][:20]
    wanted = [hmac.new(secret.encode(), body, "sha256").hexdigest().encode() for secret in secrets]
    versions = (part.partition("=") for part in given)
    signatures = [value.encode("utf-8", "surrogateescape") for version, _, value in versions if version == "v1"]
    matches = [hmac.compare_digest(one, other) for one in signatures for other in wanted]
    return any(matches)


def read(body: bytes) -> Webhook:
    """Read a verified body. Raises UnreadableWebhookError."""
    try:
        event = msgspec.json.decode(body, type=dict[str, dict[str, Any]])["event"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        raise UnreadableWebhookError("the body is no webhook event") from None
    kind, data, agent = event.get("event_type"), _object(event, "data"), _object(event, "agent")
    if not isinstance(kind, str):
        raise UnreadableWebhookError("the event has no type")
    reason = _object(data, "resolve_reason")
    merged = _text(_object(reason, "incident"), "id") if reason.get("type") == _MERGED else ""
    # What belongs to an incident, such as a note, names it beside its own id.
    incident = data if _text(data, "type") in {"incident", ""} else _object(data, "incident")
    return Webhook(
        kind.removeprefix("incident.") if kind.startswith("incident.") else f"other {kind[:_MOST_TEXT]}",
        _text(incident, "id"),
        _text(agent, "summary") or _text(agent, "name"),
        agent.get("type") == _OURS,
        merged,
        _text(_object(event, "client"), "client_url", 2000),
        tuple(_text(one, "summary") for one in _list(data, "assignees") if _text(one, "summary")),
    )


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _list(holder: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = holder.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(holder: dict[str, Any], name: str, most: int = _MOST_TEXT) -> str:
    """One line, without what the database or a page could not hold."""
    value = holder.get(name)
    return " ".join(value.replace("\0", " ").split())[:most] if isinstance(value, str) else ""
