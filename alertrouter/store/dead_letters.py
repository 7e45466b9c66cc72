"""Dead letters, and what waits: a person has a delivery sent again, or dropped for good."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, literal_column, select, update
from sqlalchemy.sql import ClauseElement

from alertrouter.deliveries import DeliveryState, NotPossibleError, Trigger, check_discard, check_retry
from alertrouter.incidents import Action
from alertrouter.moments import to_micros
from alertrouter.refusals import RefusalError
from alertrouter.store import incidents
from alertrouter.store.database import Transaction
from alertrouter.tables import DeliveryRow

_delivery: Any = DeliveryRow.__table__  # type: ignore[attr-defined]


class UnknownDeliveryError(RefusalError):
    """There is no delivery with that id."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody (`by`) asks of one delivery."""

    delivery_id: int
    by: str


@dataclass(frozen=True, slots=True)
class _Letter:
    id: int
    incident_id: str
    target: str
    action: Action
    key: str
    state: DeliveryState
    leased: bool
    error: str | None


def retry(tx: Transaction, wishes: Sequence[Wish]) -> list[Exception | None]:
    """Send again what is dead, whole first, and at once what is pending.

    An acknowledgement that had no page to go to follows a page that is sent again. A pending one that is
    leased stays as it is: an attempt may be under way. UnknownDeliveryError and NotPossibleError are answers.
    """
    incidents.load(tx, {row[0] for wish in wishes for row in tx.fetch(_select_incident, id=wish.delivery_id)})
    return [_answer(_retry, tx, wish) for wish in wishes]


def discard(tx: Transaction, wishes: Sequence[Wish]) -> list[Exception | None]:
    """Drop what is dead or pending: it becomes `superseded`. UnknownDeliveryError and NotPossibleError are answers."""
    return [_answer(_discard, tx, wish) for wish in wishes]


def _answer(work: Callable[[Transaction, _Letter, str], None], tx: Transaction, wish: Wish) -> Exception | None:
    rows = tx.fetch(_select_letter, id=wish.delivery_id)
    if not rows:
        return UnknownDeliveryError("there is no delivery %(id)s", id=wish.delivery_id)
    try:
        work(tx, _Letter(*rows[0]), wish.by)
    except NotPossibleError as problem:
        return NotPossibleError("delivery %(id)s: %(why)s", id=wish.delivery_id, why=problem)
    tx.deliveries = True
    return None


def _retry(tx: Transaction, letter: _Letter, by: str) -> None:
    [state] = incidents.load(tx, [letter.incident_id])
    [(trigger_state, unsure, fingerprint)] = tx.fetch(_select_trigger, key=letter.key)
    trigger = Trigger(trigger_state, bool(unsure), fingerprint)
    flags = {"is_open": state.incident.is_open, "is_acknowledged": state.incident.has_acknowledged(letter.key)}
    check_retry(letter.action, letter.state, trigger, **flags)
    if letter.state == "dead":
        tx.run_one(_revive, b_id=letter.id, now=to_micros(tx.now))
        if letter.action == "trigger" and state.incident.status == "acknowledged":
            tx.run_one(_revive_acknowledge, key=letter.key, now=to_micros(tx.now))
    elif not letter.leased:
        tx.run_one(_send_now, b_id=letter.id, now=to_micros(tx.now))
    else:
        return
    incidents.tell(tx, letter.incident_id, "delivery_retried", action=letter.action, to=letter.target, by=by)


def _discard(tx: Transaction, letter: _Letter, by: str) -> None:
    check_discard(letter.state)
    tx.run_one(_drop, b_id=letter.id)
    what = {"action": letter.action, "to": letter.target, "by": by}
    incidents.tell(tx, letter.incident_id, "delivery_discarded", **what, error=letter.error or "it was not sent yet")


def _select_incident(_postgres: bool) -> ClauseElement:
    """Incidents are locked before deliveries, as everywhere."""
    return select(_delivery.c.incident_id).where(_delivery.c.id == bindparam("id"))


def _select_letter(_postgres: bool) -> ClauseElement:
    names = ("id", "incident_id", "target", "action", "dedup_key", "state", "leased", "error")
    return select(*(_delivery.c[name] for name in names)).where(_delivery.c.id == bindparam("id")).with_for_update()


def _select_trigger(_postgres: bool) -> ClauseElement:
    columns = (_delivery.c.state, _delivery.c.unsure, _delivery.c.key_fingerprint)
    return select(*columns).where(_delivery.c.dedup_key == bindparam("key"), _delivery.c.action == literal_column("'trigger'"))


def _revive(_postgres: bool) -> ClauseElement:
    values = {"state": literal_column("'pending'"), "due_at": bindparam("now"), "cut": False}
    return update(_delivery).where(_delivery.c.id == bindparam("b_id")).values(values)


def _revive_acknowledge(_postgres: bool) -> ClauseElement:
    dropped = (
        _delivery.c.dedup_key == bindparam("key"),
        _delivery.c.action == literal_column("'acknowledge'"),
        _delivery.c.state == literal_column("'superseded'"),
    )
    return update(_delivery).where(*dropped).values(state=literal_column("'pending'"), due_at=bindparam("now"))


def _send_now(_postgres: bool) -> ClauseElement:
    return update(_delivery).where(_delivery.c.id == bindparam("b_id")).values(due_at=bindparam("now"))


def _drop(_postgres: bool) -> ClauseElement:
    return update(_delivery).where(_delivery.c.id == bindparam("b_id")).values(state=literal_column("'superseded'"))
