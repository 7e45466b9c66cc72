"""The timeline told in sentences: PURE. The kinds are those that `alertrouter.incidents` and the outbox write.

`say` puts a marked text into the reader's language; names, reasons of people and texts of alerts stay as they are.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

Say = Callable[[str], str]
Detail = Mapping[str, Any]
_BY = "resolved by "


def as_it_is(text: str) -> str:
    """English, the language of the logs and the API."""
    return text


def sentence(kind: str, detail: Detail, say: Say = as_it_is) -> str:
    """One line of the timeline for a person to read; an unknown kind is shown as it is."""
    tell = _SENTENCES.get(kind)
    return tell(detail, say) if tell else kind.replace("_", " ")


def reason(text: str, say: Say = as_it_is) -> str:
    """Why an incident is over, in the reader's language where we wrote it."""
    if text.startswith(_BY):
        return say("resolved by %(by)s") % {"by": text.removeprefix(_BY)}
    return {
        "Alertmanager reported every alert resolved": say("Alertmanager reported every alert resolved"),
        "Alertmanager does not hold its alerts any more": say("Alertmanager does not hold its alerts any more"),
        "the heartbeat is back": say("the heartbeat is back"),
        "its route is not in the routing file any more": say("its route is not in the routing file any more"),
    }.get(text, text)


def action(name: str, say: Say = as_it_is) -> str:
    """What an event to PagerDuty does."""
    names = {"trigger": say("trigger"), "acknowledge": say("acknowledge"), "resolve": say("resolve")}
    return names.get(name, name)


def _listed(names: Any) -> str:
    return ", ".join(map(str, names or ()))


def _by(detail: Detail, say: Say) -> str:
    """By which services, and to how many places where it is more than one."""
    places, ways = detail.get("places") or 1, _listed(detail.get("ways"))
    if places == 1:
        return say("by %(ways)s") % {"ways": ways}
    return say("by %(ways)s to %(places)s places") % {"ways": ways, "places": places}


def _clock(moment: Any) -> str:
    """The time of day of an ISO 8601 moment, for people."""
    try:
        return f"{datetime.fromisoformat(str(moment)).astimezone(UTC):%H:%M:%S} UTC"
    except ValueError:
        return str(moment)


def _opened(detail: Detail, say: Say) -> str:
    facts = {"alerts": _listed(detail.get("alerts")), "previous": detail.get("previous")}
    text = say("Opened by %(alerts)s, after %(previous)s") if facts["previous"] else say("Opened by %(alerts)s")
    return text % facts


def _alerts(detail: Detail, say: Say) -> str:
    words = {
        "joined": say("new: %(alerts)s"),
        "back": say("firing again: %(alerts)s"),
        "resolved": say("resolved: %(alerts)s"),
        "ignored": say("a late resolve ignored: %(alerts)s"),
    }
    text = "; ".join(words[kind] % {"alerts": _listed(detail[kind])} for kind in words if kind in detail)
    return text[:1].upper() + text[1:]


def _resolved(detail: Detail, say: Say) -> str:
    why = reason(str(detail.get("reason")), say)
    if str(detail.get("reason")).startswith(_BY):
        return f"{why[:1].upper()}{why[1:]}"
    return say("Resolved: %(why)s") % {"why": why}


def _escalated(detail: Detail, say: Say) -> str:
    facts = {name: detail.get(name) for name in ("to", "by", "step")}
    by_hand = say("Escalated to %(to)s by %(by)s (step %(step)s)")
    return (by_hand if facts["by"] else say("Escalated to %(to)s (step %(step)s)")) % facts


def _in_pagerduty(detail: Detail, say: Say) -> str:
    what = str(detail.get("what"))
    words = {
        "acknowledged": say("acknowledged"),
        "unacknowledged": say("unacknowledged"),
        "resolved": say("resolved"),
        "reopened": say("reopened"),
        "reassigned": say("reassigned"),
        "delegated": say("delegated"),
        "escalated": say("escalated"),
        "annotated": say("annotated"),
        "priority updated": say("priority updated"),
    }
    text = say("In PagerDuty %(what)s") % {"what": words.get(what, what)}
    text += say(" to %(to)s") % {"to": _listed(detail["to"])} if detail.get("to") else ""
    text += say(" by %(by)s") % {"by": detail["by"]} if detail.get("by") else ""
    return text + (f": {detail['note']}" if detail.get("note") else "")


def _hold_cancelled(detail: Detail, say: Say) -> str:
    why = str(detail.get("why"))
    words = {"firing again": say("firing again"), "the body was cut": say("the body was cut")}
    return say("Not resolved after all: %(why)s") % {"why": words.get(why, why)}


def _delivery_facts(detail: Detail, say: Say) -> dict[str, Any]:
    return {**{name: detail.get(name) for name in ("to", "by", "error")}, "action": action(str(detail.get("action")), say)}


def _merged(detail: Detail, say: Say) -> str:
    return say("Merged in PagerDuty by %(by)s") % {"by": detail.get("by") or say("somebody")}


_SENTENCES: dict[str, Callable[[Detail, Say], str]] = {
    "opened": _opened,
    "alerts": _alerts,
    "target_missing": lambda detail, say: (
        say("There is no target %(target)s any more: %(instead)s is paged")
        % {"target": detail.get("target"), "instead": detail.get("instead")}
    ),
    "acknowledged": lambda detail, say: say("Acknowledged by %(by)s") % {"by": detail.get("by")},
    "unacknowledged": lambda detail, say: (
        say("Nobody has it any more: %(by)s took the acknowledgement back") % {"by": detail.get("by")}
    ),
    "confirmed": lambda _detail, say: say("PagerDuty opened its incident"),
    "unconfirmed": lambda detail, say: (
        say("PagerDuty took the page to %(to)s and has opened no incident for it") % {"to": detail.get("to")}
    ),
    "merged": _merged,
    "in_pagerduty": _in_pagerduty,
    "fallback": lambda detail, say: (
        say("The page went %(by)s, too: %(why)s") % {"by": _by(detail, say), "why": detail.get("why")}
    ),
    "fallback_failed": lambda detail, say: say("The fallback %(by)s failed and is tried again") % {"by": _by(detail, say)},
    "restored": lambda detail, say: (
        say("Restored from a backup; steps that were due before are not taken: %(steps)s")
        % {"steps": _listed(detail.get("steps"))}
    ),
    "reopened": lambda detail, say: say("Reopened by %(by)s") % {"by": detail.get("by")},
    "page_resolved": lambda detail, say: (
        say("The page to %(to)s was resolved by %(by)s") % {"to": _listed(detail.get("to")), "by": detail.get("by")}
    ),
    "resolved": _resolved,
    "snoozed": lambda detail, say: (
        say("Snoozed by %(by)s until %(until)s") % {"by": detail.get("by"), "until": _clock(detail.get("until"))}
    ),
    "escalated": _escalated,
    "step_already_paged": lambda detail, say: (
        say("Step %(step)s: %(to)s was paged already") % {"step": detail.get("step"), "to": detail.get("to")}
    ),
    "paged_again": lambda detail, say: (
        say("Paged again: %(alerts)s came while it was acknowledged") % {"alerts": _listed(detail.get("alerts"))}
    ),
    "hold_started": lambda detail, say: (
        say("Every alert is resolved; PagerDuty hears of it at %(until)s unless one fires")
        % {"until": _clock(detail.get("until"))}
    ),
    "hold_cancelled": _hold_cancelled,
    "absorbed": lambda detail, say: (
        say("Still firing in Alertmanager just after a person resolved it: %(alerts)s")
        % {"alerts": _listed(detail.get("alerts"))}
    ),
    "paged": lambda detail, say: say("PagerDuty accepted the page to %(to)s") % {"to": detail.get("to")},
    "delivery_cut": lambda detail, say: (
        say("PagerDuty refused the %(action)s to %(to)s; it goes out once more, cut to the required fields: %(error)s")
        % _delivery_facts(detail, say)
    ),
    "delivery_retried": lambda detail, say: say("%(by)s has the %(action)s to %(to)s sent again") % _delivery_facts(detail, say),
    "delivery_discarded": lambda detail, say: (
        say("%(by)s dropped the %(action)s to %(to)s: %(error)s") % _delivery_facts(detail, say)
    ),
    "delivery_dead": lambda detail, say: (
        say("PagerDuty refused the %(action)s to %(to)s: %(error)s") % _delivery_facts(detail, say)
    ),
}
