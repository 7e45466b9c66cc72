"""Incidents: PURE. `decide()` says what an event does to one; see docs/promises.md for the rules."""

from alertrouter.incidents.decide import NothingLeftError, decide
from alertrouter.incidents.events import (
    Acknowledged,
    Escalated,
    Event,
    Key,
    Notified,
    Plan,
    Resolved,
    Snoozed,
    Ticked,
)
from alertrouter.incidents.state import (
    NOBODY,
    Action,
    Change,
    Entry,
    Incident,
    Member,
    Page,
    Send,
    Severity,
    State,
    Status,
)

__all__ = [
    "NOBODY",
    "Acknowledged",
    "Action",
    "Change",
    "Entry",
    "Escalated",
    "Event",
    "Incident",
    "Key",
    "Member",
    "NothingLeftError",
    "Notified",
    "Page",
    "Plan",
    "Resolved",
    "Send",
    "Severity",
    "Snoozed",
    "State",
    "Status",
    "Ticked",
    "decide",
]
