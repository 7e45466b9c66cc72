"""What PagerDuty tells us does to our incidents, in the writer's transactions.

The rules: docs/promises.md (10); what each webhook means: https://developer.pagerduty.com/docs/webhooks-overview.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from alertrouter.actions import save
from alertrouter.incidents import (
    Acknowledged,
    Event,
    Incident,
    Page,
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
from alertrouter.store.links import Acknowledgement
from alertrouter.tables import DeliveryRow

SETTLED = timedelta(minutes=2)
"""How long PagerDuty may take to show what it was told."""
_EVENTS: Mapping[str, Callable[[str, frozenset[str]], Event]] = {
    "acknowledged": Acknowledged,
    "unacknowledged": Unacknowledged,
    "resolved": PagesResolved,
    "reopened": Reopened,
}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
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
    """Do what webhooks mean, each id once; for each whether it was about an incident of ours.

    By PagerDuty's incident and time, on every replica, and with the incidents locked in the order of their ids before that: those
    that are at work on the same ones at once do not wait for each other in a circle.
    """
    named = {key.partition("/")[0] for one in heard for key in one.keys}
    there = {one.webhook.pagerduty_id for one in heard} | {one.webhook.merged_into for one in heard}
    there |= {one.into.id for one in heard if one.into}
    linked = {incident_id for name in there - {""} for incident_id in links.pages_on(tx, name)}
    incidents.load(tx, named | linked)
    places = sorted(range(len(heard)), key=lambda place: _order(heard[place]))
    answers = {place: _hear(tx, heard[place]) for place in places}
    return [answers[place] for place in range(len(heard))]


def _order(heard: Heard) -> tuple[str, datetime, str]:
    return heard.webhook.pagerduty_id, heard.webhook.occurred_at or _LONG_AGO, heard.id


def _hear(tx: Transaction, heard: Heard) -> bool:
    webhook = heard.webhook
    if not webhook.pagerduty_id or not _is_news(tx, heard):
        return False
    if webhook.merged_into:
        return _merge(tx, heard)
    _link(tx, webhook.pagerduty_id, heard.keys)
    pages = links.pages_on(tx, webhook.pagerduty_id)
    changes_nothing = webhook.kind not in _EVENTS or not links.is_latest_event(tx, webhook.pagerduty_id, webhook.occurred_at)
    for incident_id, keys in pages.items():
        if changes_nothing:
            _tell(tx, incident_id, webhook)
        elif not webhook.by_integration or incident_id in _others(tx, webhook, pages):
            _decide(tx, incident_id, _EVENTS[webhook.kind](_who(webhook), frozenset(keys)))
    return bool(pages)


def _is_news(tx: Transaction, heard: Heard) -> bool:
    """The id of the webhook is not signed, that of the event in it is."""
    is_new_event = not heard.webhook.event_id or links.is_news(tx, f"event {heard.webhook.event_id}")
    return links.is_news(tx, heard.id) and is_new_event


def _others(tx: Transaction, webhook: Webhook, pages: Mapping[str, Collection[str]]) -> set[str]:
    """The incidents of ours for which our own acknowledge, coming back, is news: of another one that PagerDuty's holds, too."""
    if webhook.kind != "acknowledged" or len(pages) < 2:
        return set()
    found = [state.incident for state in incidents.load(tx, pages)]
    without = {one.id for one in found if not any(page.acknowledged for page in one.pages if page.key in pages[one.id])}
    return without if len(without) < len(found) else set()


def _link(tx: Transaction, pagerduty_id: str, keys: Sequence[str]) -> None:
    """Link those keys that are ours, and tell the incidents of which one is new there."""
    states = {state.incident.id: state for state in incidents.load(tx, {key.partition("/")[0] for key in keys})}
    ours = {page.key: one.incident.id for one in states.values() for page in one.incident.pages if page.key in keys}
    known = {key for found in links.pages_on(tx, pagerduty_id).values() for key in found}
    if ours.keys() - known:
        links.link(tx, pagerduty_id, ours)
    for incident_id in sorted({incident_id for key, incident_id in ours.items() if key not in known}):
        incidents.tell(tx, incident_id, "confirmed")


def _who(webhook: Webhook) -> str:
    return f"{webhook.by} in PagerDuty" if webhook.by and not webhook.by_integration else "PagerDuty"


def _tell(tx: Transaction, incident_id: str, webhook: Webhook) -> None:
    """What happened there and changes nothing here: it is no matter of ours, or something later is known already."""
    if webhook.kind in _TOLD or webhook.kind in _EVENTS:
        what, note = webhook.kind.replace("_", " "), {"note": webhook.note} if webhook.note else {}
        incidents.tell(tx, incident_id, "in_pagerduty", what=what, by=webhook.by, to=list(webhook.to), **note)


def _merge(tx: Transaction, heard: Heard) -> bool:
    """The keys live on in the other incident, and are as far as that one is; whether there are any of ours."""
    webhook = heard.webhook
    into = links.merged(tx, webhook.pagerduty_id, heard.into.id if heard.into else webhook.merged_into)
    there = links.pages_on(tx, into)
    links.relink(tx, webhook.pagerduty_id, into)
    _link(tx, into, heard.keys)
    known = {key for keys in there.values() for key in keys}
    for incident_id, keys in links.pages_on(tx, into).items():
        if moved := frozenset(keys - known):
            incidents.tell(tx, incident_id, "merged", by=webhook.by)
            event = _adopted(tx, heard, there, moved)
            if event is not None:
                _decide(tx, incident_id, event)
    return bool(links.pages_on(tx, into))


def _adopted(tx: Transaction, heard: Heard, there: Mapping[str, set[str]], keys: frozenset[str]) -> Event | None:
    """What the state of the incident that they were merged into does to them; without the API, as far as our keys there tell."""
    if heard.into is not None:
        by = f"{heard.into.by} in PagerDuty" if heard.into.by else "PagerDuty"
        adopted: dict[str, Event] = {
            "triggered": Unacknowledged(_who(heard.webhook), keys),
            "acknowledged": Acknowledged(by, keys),
            "resolved": PagesResolved(by, keys),
        }
        return adopted[heard.into.status]
    states = incidents.load(tx, there)
    for state in states:
        if any(page.key in there[state.incident.id] and page.acknowledged for page in state.incident.pages):
            return Acknowledged(state.incident.acknowledged_by or "PagerDuty", keys)
    return Unacknowledged(_who(heard.webhook), keys) if states else None


def _decide(tx: Transaction, incident_id: str, event: Event) -> None:
    for state in incidents.load(tx, [incident_id]):
        if isinstance(event, PagesResolved):
            event = replace(event, unsent=links.unsent(tx, incident_id))
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
    incidents.load(tx, {one.incident_id for one in looked})
    return [_compare(tx, one) for one in looked]


def _compare(tx: Transaction, looked: Looked) -> int:
    healed = 0
    for key, found in looked.found.items():
        _link(tx, found.id, [key])
        for state in incidents.load(tx, [looked.incident_id]):
            event = difference(state, key, found, tx.now, links.acknowledgement(tx, key))
            if event is not None:
                healed += 1
                _decide(tx, looked.incident_id, event)
    return healed


def difference(state: State, key: str, found: Found, now: datetime, sent: Acknowledgement | None = None) -> Event | None:
    """What is to happen so that our incident agrees with what PagerDuty shows of one of its keys; None if it does.

    `sent` is what became of our own acknowledgement of the key, None if there is none.
    """
    incident = state.incident
    page = next((page for page in incident.pages if page.key == key), None)
    if page is None or not incident.is_open:
        return None
    by, keys = f"{found.by} in PagerDuty" if found.by else "PagerDuty", frozenset((key,))
    if found.status == "resolved":
        return None if page.resolved else PagesResolved(by, keys)
    if found.status == "acknowledged":
        return None if page.acknowledged else Acknowledged(by, keys)
    return Unacknowledged("PagerDuty", keys) if page.acknowledged and _is_settled(incident, page, sent, now) else None


def _is_settled(incident: Incident, page: Page, sent: Acknowledgement | None, now: datetime) -> bool:
    """Whether PagerDuty has had the acknowledgement for long enough to show it."""
    since = [page.acknowledged_at or incident.acknowledged_at, sent.sent_at if sent else None]
    latest = max((moment for moment in since if moment), default=None)
    return not (sent and sent.is_owed) and latest is not None and now - latest > SETTLED


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
