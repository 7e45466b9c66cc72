"""The on-call page: open incidents, the most urgent first, what is wrong with delivery, and what is over."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from alertrouter.incidents import Incident
from alertrouter.service import Service
from alertrouter.store import listing, queries
from alertrouter.store.listing import Filter
from alertrouter.tables import DeliveryRow, HeldRow, UnreadableRow
from alertrouter.urls import incident_url
from alertrouter.web.http import read_query, service_of
from alertrouter.web.rendering import page, readable
from alertrouter.web.schema import WantedOnHome
from alertrouter.web.urgency import next_target

_MOST_OPEN = 300
_MOST_PAST = 50
_MOST_RECENT = 20
_MOST_TROUBLES = 20
_MOST_LATE = 200
_LONG_PENDING = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class _List:
    """The incidents that are shown. `total` counts open ones, `found` those that the filter lets through, past ones apart.

    `following` is the query of the next page, empty on the last one.
    """

    shown: Sequence[Incident]
    total: int
    found: int
    following: str
    silences: Mapping[str, HeldRow]
    other_ways: Collection[str]


@dataclass(frozen=True, slots=True)
class _Health:
    """What is wrong: `troubles` counts those with runbook files, `dead` deliveries. `lost_keys` are targets."""

    troubles: int
    routing_problems: Sequence[str]
    lost_keys: Sequence[str]
    dead: int
    dead_deliveries: Sequence[DeliveryRow]
    late_deliveries: Sequence[DeliveryRow]
    unreadable: Sequence[UnreadableRow]


@dataclass(frozen=True, slots=True)
class _Home:
    """What the page shows; `version` is that of `alertrouter.web.live` before it was read."""

    version: str
    now: datetime
    list: _List
    health: _Health
    recent: Sequence[Incident]
    targets: Sequence[str]


@readable
async def home(request: Request) -> Response:
    """Open incidents by severity and age, or past ones, newest first; `?status=`, `severity`, `target` and `q` narrow them."""
    wanted = read_query(request, WantedOnHome)
    shown = await asyncio.to_thread(_read, service_of(request), wanted)
    return page(request, "home.html", home=shown, wanted=wanted, next_target=next_target, incident_url=incident_url)


def _read(service: Service, wanted: WantedOnHome) -> _Home:
    now = service.database.read_now()
    with service.database.read() as session:
        version = listing.version(session, None)
        listed = (_past if wanted.status == "resolved" else _open)(session, wanted, now)
        recent = listing.past(session, Filter(), None, _MOST_RECENT)[0] if not wanted.is_narrow else []
        latest = sorted(recent, key=lambda one: one.resolved_at or one.opened_at, reverse=True)
        targets = list(service.playbook.routing.targets)
        return _Home(version, now, listed, _health(service, session, now), latest, targets)


def _open(session: Session, wanted: WantedOnHome, now: datetime) -> _List:
    offset = (wanted.page - 1) * _MOST_OPEN
    shown, found = listing.open_ones(session, _filter(wanted), _MOST_OPEN, offset)
    is_more = found > offset + len(shown)
    return _list(session, shown, found, _query(wanted, page=wanted.page + 1) if is_more else "", now)


def _past(session: Session, wanted: WantedOnHome, now: datetime) -> _List:
    shown, cursor = listing.past(session, _filter(wanted), wanted.cursor, _MOST_PAST)
    return _list(session, shown, len(shown), _query(wanted, cursor=cursor) if cursor else "", now)


def _list(session: Session, shown: Sequence[Incident], found: int, following: str, now: datetime) -> _List:
    ids = [one.id for one in shown]
    total = sum(queries.open_counts(session).values())
    return _List(shown, total, found, following, queries.silences(session, ids, now), queries.went_other_ways(session, ids))


def _filter(wanted: WantedOnHome) -> Filter:
    status = wanted.status if wanted.status in {"triggered", "acknowledged"} else None
    return Filter(status, wanted.severity, wanted.target, wanted.q.strip())


def _query(wanted: WantedOnHome, **changed: object) -> str:
    given = wanted.model_dump(exclude_defaults=True) | changed
    return "?" + urlencode({name: value for name, value in given.items() if value})


def _health(service: Service, session: Session, now: datetime) -> _Health:
    pending, _ = queries.list_deliveries(session, "pending", _MOST_LATE, None)
    dead, _ = queries.list_deliveries(session, "dead", _MOST_TROUBLES, None)
    return _Health(
        len(service.library.shelf.troubles),
        service.files.problems,
        service.lost_keys,
        queries.delivery_counts(session)["dead"],
        dead,
        [one for one in pending if one.created_at < now - _LONG_PENDING],
        queries.unreadable_alerts(session, _MOST_TROUBLES),
    )
