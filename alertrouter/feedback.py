"""What PagerDuty tells us does to our incidents, in the writer's transactions.

The rules: docs/promises.md (9); what each webhook means: https://developer.pagerduty.com/docs/webhooks-overview.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alertrouter.actions import save
from alertrouter.incidents import (
    Acknowledged,
    Event,
    Incident,
    PagesResolved,
    Reopened,
    State,
    Unacknowledged,
    decide,
)
from alertrouter.pagerduty.rest import Found
from alertrouter.pagerduty.webhooks import Webhook
from alertrouter.store import fallback, incidents, links
from alertrouter.store.database import Transaction
from alertrouter.tables import DeliveryRow

SETTLED = timedelta(minutes=2)
"""How long PagerDuty may take to show what it was told."""
_TOLD = frozenset(("reassigned", "delegated", "escalated", "annotated", "priority_updated"))


@dataclass(frozen=True, slots=True)
class Heard:
    """A verified webhook with its id.

    `keys` are our keys on its incident, as far as somebody could say; `into` is what it was merged into, as PagerDuty shows it.
    """

    id: str
    webhook: Webhook
    keys: tuple[str, ...] = ()
    into: Found | None = None


def hear(tx: Transaction, heard: Sequence[Heard]) -> list[bool]:
    """Do what webhooks mean, each id once; for each whether it was about an incident of ours."""
    return [_hear(tx, one) for one in heard]


def _hear(tx: Transaction, heard: Heard) -> bool:
    webhook = heard.webhook
    if not links.is_news(tx, heard.id) or not webhook.pagerduty_id:
        return False
    _link(tx, webhook.pagerduty_id, heard.keys)
    pages = links.pages_on(tx, webhook.pagerduty_id)
    if webhook.merged_into:
        _merge(tx, heard, pages)
    elif not webhook.by_integration:  # our own acknowledge or resolve, coming back
        for incident_id, keys in pages.items():
            _apply(tx, incident_id, webhook, frozenset(keys))
    return bool(pages)


def _link(tx: Transaction, pagerduty_id: str, keys: Sequence[str]) -> None:
    """Link those keys that are ours, and tell the incidents of which one is new there."""
    states = {state.incident.id: state for state in incidents.load(tx, {key.partition("/")[0] for key in keys})}
    ours = {page.key: one.incident.id for one in states.values() for page in one.incident.pages if page.key in keys}
    known = {key for found in links.pages_on(tx, pagerduty_id).values() for key in found}
    if ours.keys() - known:
        links.link(tx, pagerduty_id, ours)
    for incident_id in sorted({incident_id for key, incident_id in ours.items() if key not in known}):
        incidents.tell(tx, incident_id, "confirmed")


def _apply(tx: Transaction, incident_id: str, webhook: Webhook, keys: frozenset[str]) -> None:
    by = f"{webhook.by} in PagerDuty" if webhook.by else "PagerDuty"
    events: Mapping[str, Event] = {
        "acknowledged": Acknowledged(by, keys),
        "unacknowledged": Unacknowledged(by, keys),
        "resolved": PagesResolved(by, keys),
        "reopened": Reopened(by, keys),
    }
    event = events.get(webhook.kind)
    if event is not None:
        _decide(tx, incident_id, event)
    elif webhook.kind in _TOLD:
        incidents.tell(tx, incident_id, "in_pagerduty", what=webhook.kind.replace("_", " "), by=webhook.by, to=list(webhook.to))


def _merge(tx: Transaction, heard: Heard, pages: Mapping[str, set[str]]) -> None:
    """The keys live on in the other incident, and are as far as that one is."""
    webhook = heard.webhook
    there = links.pages_on(tx, webhook.merged_into)
    links.relink(tx, webhook.pagerduty_id, webhook.merged_into)
    for incident_id, keys in pages.items():
        incidents.tell(tx, incident_id, "merged", by=webhook.by)
        event = _adopted(tx, heard.into, there, frozenset(keys))
        if event is not None:
            _decide(tx, incident_id, event)


def _adopted(tx: Transaction, into: Found | None, there: Mapping[str, set[str]], keys: frozenset[str]) -> Event | None:
    """What the state of the incident that they were merged into does to them; without the API, as far as our keys there tell."""
    if into is not None:
        by = f"{into.by} in PagerDuty" if into.by else "PagerDuty"
        adopted: dict[str, Event] = {"acknowledged": Acknowledged(by, keys), "resolved": PagesResolved(by, keys)}
        return adopted.get(into.status)
    for state in incidents.load(tx, there):
        if any(page.key in there[state.incident.id] and page.acknowledged for page in state.incident.pages):
            return Acknowledged(state.incident.acknowledged_by or "PagerDuty", keys)
    return None


def _decide(tx: Transaction, incident_id: str, event: Event) -> None:
    for state in incidents.load(tx, [incident_id]):
        if isinstance(event, Reopened) and not (state.incident.is_open or links.is_latest(tx, incident_id)):
            incidents.tell(tx, incident_id, "in_pagerduty", what="reopened", by=event.by, to=[])
            continue
        save(tx, decide(state, event, tx.now))


@dataclass(frozen=True, slots=True)
class Looked:
    """What PagerDuty's API said of the keys of one incident."""

    incident_id: str
    found: Mapping[str, Found]


def compare(tx: Transaction, looked: Sequence[Looked]) -> list[int]:
    """Heal what webhooks missed; for each incident how many differences there were."""
    return [_compare(tx, one) for one in looked]


def _compare(tx: Transaction, looked: Looked) -> int:
    healed = 0
    for key, found in looked.found.items():
        _link(tx, found.id, [key])
        for state in incidents.load(tx, [looked.incident_id]):
            event = difference(state, key, found, tx.now)
            if event is not None:
                healed += 1
                save(tx, decide(state, event, tx.now))
    return healed


def difference(state: State, key: str, found: Found, now: datetime) -> Event | None:
    """What is to happen so that our incident agrees with what PagerDuty shows of one of its keys; None if it does."""
    incident = state.incident
    page = next((page for page in incident.pages if page.key == key), None)
    if page is None or not incident.is_open:
        return None
    by, keys = f"{found.by} in PagerDuty" if found.by else "PagerDuty", frozenset((key,))
    if found.status == "resolved":
        return None if page.resolved else PagesResolved(by, keys)
    if found.status == "acknowledged":
        return None if page.acknowledged else Acknowledged(by, keys)
    return Unacknowledged(by, keys) if page.acknowledged and _is_settled(incident, now) else None


def _is_settled(incident: Incident, now: datetime) -> bool:
    """Whether PagerDuty had the time to take the acknowledgement that it was told of."""
    return incident.acknowledged_at is not None and now - incident.acknowledged_at > SETTLED


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """Pages that PagerDuty took and told nothing of; `fallback` holds the incidents whose route wants the fallback then."""

    late: Sequence[DeliveryRow]
    fallback: frozenset[str] = frozenset()


def warn_unconfirmed(tx: Transaction, lists: Sequence[Unconfirmed]) -> list[int]:
    """Say, once for each page; how many."""
    return [sum(_warn(tx, one, found.fallback) for one in found.late) for found in lists]


def _warn(tx: Transaction, delivery: DeliveryRow, wants_fallback: frozenset[str]) -> bool:
    assert delivery.id is not None
    is_news = links.warn_unconfirmed(tx, delivery.id)
    if is_news:
        incidents.tell(tx, delivery.incident_id, "unconfirmed", to=delivery.target)
        if delivery.incident_id in wants_fallback:
            fallback.ask(tx, [(delivery.incident_id, "PagerDuty took this page and has opened no incident for it")])
    return is_news
