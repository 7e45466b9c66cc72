"""The timeline told in sentences: PURE. The kinds are those that `alertrouter.incidents` and the outbox write."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any


def sentence(kind: str, detail: Mapping[str, Any]) -> str:
    """One line of the timeline for a person to read; an unknown kind is shown as it is."""
    tell = _SENTENCES.get(kind)
    return tell(detail) if tell else kind.replace("_", " ")


def _listed(names: Any) -> str:
    return ", ".join(map(str, names or ()))


def _by(detail: Mapping[str, Any]) -> str:
    """By which services, and to how many places where it is more than one."""
    places = detail.get("places") or 1
    return f"by {_listed(detail.get('ways'))}" + (f" to {places} places" if places > 1 else "")


def _clock(moment: Any) -> str:
    """The time of day of an ISO 8601 moment, for people."""
    try:
        return f"{datetime.fromisoformat(str(moment)).astimezone(UTC):%H:%M:%S} UTC"
    except ValueError:
        return str(moment)


def _opened(detail: Mapping[str, Any]) -> str:
    after = f", after {detail['previous']}" if detail.get("previous") else ""
    return f"Opened by {_listed(detail.get('alerts'))}{after}"


def _alerts(detail: Mapping[str, Any]) -> str:
    words = {"joined": "new", "back": "firing again", "resolved": "resolved", "ignored": "a late resolve ignored"}
    parts = [f"{words[kind]}: {_listed(detail[kind])}" for kind in words if kind in detail]
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def _resolved(detail: Mapping[str, Any]) -> str:
    reason = str(detail.get("reason"))
    return f"R{reason[1:]}" if reason.startswith("resolved by ") else f"Resolved: {reason}"


def _escalated(detail: Mapping[str, Any]) -> str:
    by = f" by {detail['by']}" if detail.get("by") else ""
    return f"Escalated to {detail.get('to')}{by} (step {detail.get('step')})"


def _in_pagerduty(detail: Mapping[str, Any]) -> str:
    to = f" to {_listed(detail['to'])}" if detail.get("to") else ""
    by = f" by {detail['by']}" if detail.get("by") else ""
    note = f": {detail['note']}" if detail.get("note") else ""
    return f"In PagerDuty {detail.get('what')}{to}{by}{note}"


_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "opened": _opened,
    "alerts": _alerts,
    "target_missing": lambda detail: f"There is no target {detail.get('target')} any more: {detail.get('instead')} is paged",
    "acknowledged": lambda detail: f"Acknowledged by {detail.get('by')}",
    "unacknowledged": lambda detail: f"Nobody has it any more: {detail.get('by')} took the acknowledgement back",
    "confirmed": lambda _detail: "PagerDuty opened its incident",
    "unconfirmed": lambda detail: f"PagerDuty took the page to {detail.get('to')} and has opened no incident for it",
    "merged": lambda detail: f"Merged in PagerDuty by {detail.get('by') or 'somebody'}",
    "in_pagerduty": _in_pagerduty,
    "fallback": lambda detail: f"The page went {_by(detail)}, too: {detail.get('why')}",
    "fallback_failed": lambda detail: f"The fallback {_by(detail)} failed and is tried again",
    "reopened": lambda detail: f"Reopened by {detail.get('by')}",
    "page_resolved": lambda detail: f"The page to {_listed(detail.get('to'))} was resolved by {detail.get('by')}",
    "resolved": _resolved,
    "snoozed": lambda detail: f"Snoozed by {detail.get('by')} until {_clock(detail.get('until'))}",
    "escalated": _escalated,
    "step_already_paged": lambda detail: f"Step {detail.get('step')}: {detail.get('to')} was paged already",
    "paged_again": lambda detail: f"Paged again: {_listed(detail.get('alerts'))} came while it was acknowledged",
    "hold_started": lambda detail: (
        f"Every alert is resolved; PagerDuty hears of it at {_clock(detail.get('until'))} unless one fires"
    ),
    "hold_cancelled": lambda detail: f"Not resolved after all: {detail.get('why')}",
    "absorbed": lambda detail: f"Still firing in Alertmanager just after a person resolved it: {_listed(detail.get('alerts'))}",
    "paged": lambda detail: f"PagerDuty accepted the page to {detail.get('to')}",
    "delivery_cut": lambda detail: (
        f"PagerDuty refused the {detail.get('action')} to {detail.get('to')}; "
        f"it goes out once more, cut to the required fields: {detail.get('error')}"
    ),
    "delivery_retried": lambda detail: f"{detail.get('by')} has the {detail.get('action')} to {detail.get('to')} sent again",
    "delivery_discarded": lambda detail: (
        f"{detail.get('by')} dropped the {detail.get('action')} to {detail.get('to')}: {detail.get('error')}"
    ),
    "delivery_dead": lambda detail: f"PagerDuty refused the {detail.get('action')} to {detail.get('to')}: {detail.get('error')}",
}
