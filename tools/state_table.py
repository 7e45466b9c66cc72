"""What `decide()` makes of each event in each state, found by asking it."""

from datetime import UTC, datetime, timedelta

from alertrouter.alertmanager import Alert
from alertrouter.escalation import Policy, Step
from alertrouter.incidents import (
    Acknowledged,
    Change,
    Escalated,
    Event,
    Key,
    NothingLeftError,
    Notified,
    PagesResolved,
    Plan,
    Reopened,
    Resolved,
    Snoozed,
    State,
    Ticked,
    Unacknowledged,
    decide,
)

_START = datetime(2026, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_HOLD = timedelta(seconds=60)
_POLICY = Policy((Step(timedelta(minutes=15), "engineering", "acknowledged"),), "default")
_KEY = Key("default", "group", False, "oncall", True, _HOLD)
_LATER = _START + timedelta(seconds=30)


def _alert(name: str, *, firing: bool) -> Alert:
    return Alert(firing, {"alertname": name}, {}, _START, None if firing else _LATER, "", name)


def _notified(*alerts: Alert) -> Notified:
    return Notified(_KEY, alerts, lambda alert: Plan("critical", alert.fingerprint, None, _POLICY))


_FIRES = _notified(_alert("A", firing=True))
_ENDS = _notified(_alert("A", firing=False))


def _after(*events: Event) -> State:
    """An incident to which these have happened, a second apart."""
    state: State | None = None
    for number, event in enumerate(events):
        for change in decide(state, event, _START + number * _SECOND):
            state = change.state
    assert state is not None
    return state


def _states() -> dict[str, State | None]:
    return {
        "no incident": None,
        "triggered": _after(_FIRES),
        "triggered, held": _after(_FIRES, _ENDS),
        "acknowledged": _after(_FIRES, Acknowledged("ana")),
        "acknowledged, held": _after(_FIRES, Acknowledged("ana"), _ENDS),
        "resolved by a person": _after(_FIRES, Resolved("ana")),
    }


def _events(state: State | None) -> dict[str, tuple[Event, timedelta]]:
    """What can happen, and how long after the start."""
    keys = frozenset(page.key for page in state.incident.pages) if state else frozenset()
    soon = timedelta(seconds=30)
    return {
        "a known alert fires (a repeat, a peer's copy)": (_FIRES, soon),
        "another alert fires": (_notified(_alert("A", firing=True), _alert("B", firing=True)), soon),
        "every alert is resolved": (_ENDS, soon),
        "the hold is over": (Ticked(), soon + _HOLD),
        "an alert fires after the hold": (_FIRES, soon + _HOLD),
        "a step is due": (Ticked(), timedelta(minutes=16)),
        "somebody acknowledges": (Acknowledged("ana"), soon),
        "PagerDuty takes the acknowledgement back": (Unacknowledged("PagerDuty", keys), soon),
        "somebody resolves": (Resolved("ana"), soon),
        "its last page is resolved in PagerDuty": (PagesResolved("ana", keys), soon),
        "its page is reopened in PagerDuty": (Reopened("ana", keys), soon),
        "somebody snoozes": (Snoozed("ana", timedelta(hours=1)), soon),
        "somebody escalates": (Escalated("ana"), soon),
    }


def rows() -> list[tuple[str, ...]]:
    """The table, its head first: an event a row, a state a column."""
    states = _states()
    names = list(_events(None))
    table = [("", *states)]
    table += [(name, *(_outcome(state, *_events(state)[name]) for state in states.values())) for name in names]
    return table


def _outcome(state: State | None, event: Event, passed: timedelta) -> str:
    try:
        changes = decide(state, event, _START + passed)
    except NothingLeftError:
        return "409"
    return "; then ".join(_told(change) for change in changes) or "·"


def _told(change: Change) -> str:
    incident = change.state.incident
    status = "**new incident**" if change.opened else str(incident.status)
    held = ", held" if incident.resolve_at and incident.is_open else ""
    sent = ", ".join(f"{send.action} {_which(send.key)}".strip() for send in change.sends)
    return f"{status}{held}" + (f" → {sent}" if sent else "")


def _which(key: str) -> str:
    """`2` for a follow-up, `e1` for a step, nothing for the first page."""
    return key.partition("/")[2]
