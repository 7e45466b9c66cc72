"""What becomes of a delivery: PURE. The outbox (`alertrouter.store.outbox`) asks here, inside its transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from alertrouter.incidents import Action, State
from alertrouter.pagerduty.outcomes import Failed, Limited, Outcome, Refused, Sent
from alertrouter.refusals import RefusalError
from alertrouter.runbooks.section import Section

DeliveryState = Literal["pending", "sent", "superseded", "dead"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the outbox that is due. `unsure`: an attempt may have reached PagerDuty without our knowing."""

    id: int
    incident_id: str
    target: str
    action: Action
    key: str
    attempts: int
    unsure: bool
    cut: bool
    key_fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Trigger:
    """What became of the trigger of the same dedup key."""

    state: DeliveryState
    unsure: bool
    key_fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery that was claimed, with all that its event is built from. `delivery` is the row before the claim.

    `key_fingerprint` is that of the routing key to send with, None if the target has none; `owed_for` is how long the delivery
    had been owed when it was claimed; `trace` the context of what caused it, empty where nothing is traced.
    """

    delivery: Delivery
    state: State
    sections: dict[str, Section]
    key_fingerprint: str | None
    owed_for: timedelta = timedelta()
    trace: str = ""


def is_superseded(action: Action, trigger: Trigger, *, is_open: bool, is_acknowledged: bool, is_resolved: bool = False) -> bool:
    """Whether a delivery that is due need not go out any more, its incident being open or over, its page acknowledged or not.

    A trigger is not sent once the incident is over, and then takes its resolve with it, unless an attempt may have reached
    PagerDuty: that resolve is owed until it is accepted. Nor is it sent once its page is resolved there: its answer was lost,
    and PagerDuty would page again. A refused trigger leaves nothing to acknowledge or resolve. An
    acknowledgement that was taken back would silence PagerDuty's page.
    """
    if action == "trigger":
        return not is_open or is_resolved
    if action == "acknowledge" and not (is_open and is_acknowledged):
        return True
    return trigger.state != "sent" and not trigger.unsure


class NotPossibleError(RefusalError):
    """The state of a delivery does not allow what was asked; the text says why."""


def check_retry(action: Action, state: DeliveryState, trigger: Trigger, *, is_open: bool, is_acknowledged: bool) -> None:
    """Raise NotPossibleError unless a delivery may be sent once more at a person's word.

    What would be superseded as soon as it is looked at is not accepted first.
    """
    if state not in {"dead", "pending"}:
        raise NotPossibleError("it is %(state)s: only what is dead or pending can be retried", state=RefusalError(state))
    if action != "resolve" and not is_open:
        raise NotPossibleError("the incident is resolved: its %(action)s is not sent any more", action=RefusalError(action))
    if action == "acknowledge" and not is_acknowledged:
        raise NotPossibleError("the acknowledgement was taken back")
    if trigger.state != "pending" and is_superseded(action, trigger, is_open=is_open, is_acknowledged=is_acknowledged):
        raise NotPossibleError(
            "PagerDuty has not got the page that it is about: the trigger is %(state)s", state=RefusalError(trigger.state)
        )


def check_discard(state: DeliveryState) -> None:
    """Raise NotPossibleError unless a delivery is still owed or was refused."""
    if state not in {"dead", "pending"}:
        raise NotPossibleError("it is %(state)s: only what is dead or pending can be discarded", state=RefusalError(state))


@dataclass(frozen=True, slots=True)
class Record:
    """What an attempt leaves in the outbox."""

    state: DeliveryState
    due_at: datetime
    error: str | None
    unsure: bool
    cut: bool
    sent_at: datetime | None


def record(delivery: Delivery, outcome: Outcome, now: datetime, delay: timedelta) -> Record:
    """What the outcome of an attempt makes of a delivery; `delay` is for what is to be tried again.

    `delivery` is the row as it was before the attempt. A refusal is retried once, at once, cut down to the required fields.
    """
    if isinstance(outcome, Sent):
        return Record("sent", now, None, False, delivery.cut, now)
    if isinstance(outcome, Refused):
        error = "; ".join(outcome.errors)
        return Record("dead" if delivery.cut else "pending", now, error, delivery.unsure, True, None)
    unsure = delivery.unsure or (isinstance(outcome, Failed) and outcome.reached)
    return Record("pending", now + delay, reason_of(outcome), unsure, delivery.cut, None)


def reason_of(outcome: Limited | Failed) -> str:
    """Why an attempt is to be repeated, in words."""
    return "PagerDuty asked to slow down (429)" if isinstance(outcome, Limited) else outcome.reason
