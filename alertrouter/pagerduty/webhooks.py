"""PagerDuty's V3 webhooks: verifying and reading them: PURE.

Source: https://developer.pagerduty.com/docs/webhooks-overview and -signatures. Fields that are not listed are ignored.
"""

import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from alertrouter.pagerduty.text import one_line

_OURS = "inbound_integration_reference"
MERGED = "merge_resolve_reason"


class UnreadableWebhookError(Exception):
    """The body is no webhook; the text says why."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One event of one PagerDuty incident.

    `kind` is the type without `incident.`. `pagerduty_id` is PagerDuty's incident, empty for a ping; `merged_into` the one that
    it was merged into. `by` is who did it, empty if nobody; `by_integration` says that it came through an integration: it is our
    own event coming back. `client_url` is what the trigger gave, where PagerDuty tells. `to` lists whom it is assigned to now.
    `occurred_at` is by PagerDuty's clock, to be compared with itself alone. `note` is what an annotation says.
    """

    kind: str
    pagerduty_id: str
    by: str
    by_integration: bool
    merged_into: str = ""
    client_url: str = ""
    to: tuple[str, ...] = ()
    event_id: str = ""
    occurred_at: datetime | None = None
    note: str = ""


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
    event = _object(_decoded(body), "event")
    kind, data, agent = event.get("event_type"), _object(event, "data"), _object(event, "agent")
    if not isinstance(kind, str):
        raise UnreadableWebhookError("the body is no webhook event: it has no type")
    kind = one_line(kind)
    reason = _object(data, "resolve_reason")
    merged = _text(_object(reason, "incident"), "id") if reason.get("type") == MERGED else ""
    if reason.get("type") == MERGED and not merged:
        kind = "merged into something that is not named"  # and certainly not resolved
    # What belongs to an incident, such as a note, names it beside its own id.
    incident = data if _text(data, "type") in {"incident", ""} else _object(data, "incident")
    return Webhook(
        kind.removeprefix("incident.") if kind.startswith("incident.") else f"other {kind}",
        _text(incident, "id"),
        _text(agent, "summary") or _text(agent, "name"),
        agent.get("type") == _OURS,
        merged,
        _text(_object(event, "client"), "client_url", 2000),
        tuple(_text(one, "summary") for one in _list(data, "assignees") if _text(one, "summary")),
        _text(event, "id"),
        _moment(event),
        _text(data, "content") if incident is not data else "",
    )


def _decoded(body: bytes) -> dict[str, Any]:
    """The object; a name that was cut in the middle of a character is no reason to lose an acknowledgement."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise UnreadableWebhookError("the body is no JSON") from None
    return value if isinstance(value, dict) else {}


def _moment(event: dict[str, Any]) -> datetime | None:
    """When it happened, by PagerDuty's clock."""
    try:
        moment = datetime.fromisoformat(_text(event, "occurred_at"))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _list(holder: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = holder.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(holder: dict[str, Any], name: str, most: int = 200) -> str:
    return one_line(holder.get(name), most)
