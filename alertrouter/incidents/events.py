"""What can happen to an incident."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from msgspec import Struct

from alertrouter.alertmanager import Alert
from alertrouter.escalation import Policy
from alertrouter.incidents.state import Severity


class Plan(Struct, frozen=True):
    """What routing and the runbooks say of one alert: how bad, which words, which section, which policy.

    The targets in the policy's steps are canonical names.
    """

    severity: Severity
    title: str
    section: str | None
    policy: Policy


class Key(Struct, frozen=True, gc=False):
    """Which incident an alert belongs to, and the route's options for a new one."""

    source: str
    subject: str
    per_alert: bool
    target: str
    repage_on_new_alert: bool
    resolve_hold: timedelta


@dataclass(frozen=True, slots=True)
class Notified:
    """A notification's alerts for one key. `plan` is asked for alerts that the incident does not know yet.

    `leaves_steps`: steps of an open incident are left to the clock, as PagerDuty is asked before one is taken.
    """

    key: Key
    alerts: tuple[Alert, ...]
    plan: Callable[[Alert], Plan]
    truncated: int = 0
    receiver: str = ""
    external_url: str = ""
    leaves_steps: bool = False


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A person has taken it. `keys` are the PagerDuty keys that were acknowledged there: it need not be told of them."""

    by: str
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A person has closed it."""

    by: str


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """PagerDuty took an acknowledgement back: by a person, its timeout, the end of a snooze."""

    by: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class PagesResolved:
    """A person resolved these keys in PagerDuty. `unsent` are those that it never got: nobody can resolve them there."""

    by: str
    keys: frozenset[str]
    unsent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reopened:
    """A person reopened these keys in PagerDuty."""

    by: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """All that fires in it is over, for a reason that is no notification: nothing is held back."""

    reason: str


@dataclass(frozen=True, slots=True)
class Snoozed:
    """A person wants the next steps later: not before now + `for_`."""

    by: str
    for_: timedelta


@dataclass(frozen=True, slots=True)
class Escalated:
    """A person wants a step now: the next one, or the step with that number (from 1).

    With `after` only while that is the last step taken: who presses a button twice, or late, means one step. With `next` only
    while that is the step that comes next: who read whom it pages means nobody else.
    """

    by: str
    step: int | None = None
    after: int | None = None
    next: int | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """The database is a backup's: steps that are due were taken by whoever went on from there, or are too late."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed: holds that are over close, steps that are due are taken."""


Event = (
    Notified
    | Acknowledged
    | Unacknowledged
    | Resolved
    | PagesResolved
    | Reopened
    | Ended
    | Snoozed
    | Escalated
    | Restored
    | Ticked
)
