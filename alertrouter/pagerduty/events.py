"""Events for PagerDuty's Events API v2: PURE.

Limits and fields are PagerDuty's: https://developer.pagerduty.com/docs/events-api-v2-overview. No label of any content or
size may cost a page, so everything is cut to its limit here, the least useful first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import msgspec

from alertrouter.durations import format_duration
from alertrouter.incidents import Action, Incident, Member, Severity
from alertrouter.moments import rfc3339

MOST_BYTES = 512_000
MOST_SUMMARY = 1024
_MOST_TITLE = 500
_MOST_FIELD = 1000
_MOST_LINK = 2000
_MOST_TEXT = 20_000
_MOST_ALERTS = 50
_MOST_ALERT = 300
_MOST_CHANGE_LINKS = 20
_MOST_CHANGE_DETAILS = 256_000
_SEVERITIES: dict[str, Severity] = {
    **dict.fromkeys(("critical", "page", "crit", "fatal", "emergency", "disaster", "p1", "sev1"), "critical"),
    **dict.fromkeys(("error", "err", "high", "major", "p2", "sev2"), "error"),
    **dict.fromkeys(("warning", "warn", "medium", "minor", "p3", "sev3"), "warning"),
    **dict.fromkeys(("info", "none", "notice", "information", "informational", "low", "ok", "debug", "p4", "p5"), "info"),
}
_PLACES = ("service", "job", "instance", "namespace", "pod", "node", "cluster")
_GRAFANAS = {"dashboardURL": "Dashboard", "panelURL": "Panel", "silenceURL": "Silence it"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_PLAIN_LINK = re.compile(r"https?://[A-Za-z0-9.:-]+(?:[/?#][^\x00-\x20\x7f-\x9f\u2028\u2029]*)?")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_REMEMBERED = 1024
"""Links and labels, of which the pages of a storm share most."""

Reason = Literal["opened", "follow-up", "escalation"]
_PLAIN = re.compile("[A-Za-z_:][A-Za-z0-9_:]*")


@dataclass(frozen=True, slots=True)
class Steps:
    """What the runbook says of one alert name: the section's title and its first steps as plain text, commands filled in."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Paging:
    """All that a trigger is built from. `members` are those of the incident, the leading one first.

    `unread` is the place (`file.md:line`) of an escalation in the leading one's section that cannot be read.
    """

    key: str
    reason: Reason
    to: str
    incident: Incident
    members: Sequence[Member]
    steps: Sequence[Steps]
    incident_url: str
    client_url: str
    runbook_url: str | None
    unread: str = ""
    ack_url: str = ""


class LinkError(ValueError):
    """An address that cannot be a link; the text is one clear line."""


def severity_of(label: str | None) -> tuple[Severity, bool]:
    """PagerDuty's severity for a `severity` label, and whether the label is known; an unknown one is an error."""
    known = _SEVERITIES.get((label or "").strip().casefold())
    return (known, True) if known else ("error", False)


def title_of(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """What fires, where, and what it means, in one line of at most 500 characters."""
    what = labels.get("alertname") or "An alert without a name"
    where = next((labels[place] for place in _PLACES if labels.get(place)), "")
    impact = annotations.get("summary") or annotations.get("description") or annotations.get("message") or ""
    return _line(f"{what} on {where}" if where else what, 200) + (
        f": {_line(impact, _MOST_TITLE - 202)}" if impact.strip() else ""
    )


def follow(action: Action, key: str) -> dict[str, object]:
    """An acknowledge or a resolve."""
    return {"event_action": action, "dedup_key": key}


def trigger(paging: Paging) -> dict[str, object]:
    """The event that pages, without its routing key; at most 512,000 bytes with it."""
    event = {**minimal(paging), "links": _links(paging)}
    if images := _images(paging):
        event["images"] = images
    if _is_web(paging.client_url):
        event |= {"client": "alertrouter", "client_url": paging.client_url}
    labels = paging.members[0].labels if paging.members else {}
    payload: dict[str, Any] = event["payload"]
    payload["timestamp"] = rfc3339(paging.incident.opened_at)
    for name, label in (("component", "service"), ("group", "job"), ("class", "alertname")):
        if labels.get(label):
            payload[name] = _line(labels[label], _MOST_FIELD)
    payload["custom_details"] = _details(paging)
    return event


def minimal(paging: Paging) -> dict[str, Any]:
    """The same event with the required fields only: for the one attempt after a refusal."""
    labels = paging.members[0].labels if paging.members else {}
    source = next((labels[name] for name in ("instance", *_PLACES) if labels.get(name)), paging.incident.source)
    return {
        "event_action": "trigger",
        "dedup_key": paging.key,
        "payload": {
            "summary": _summary(paging),
            "source": _line(source, _MOST_FIELD) or "alertmanager",
            "severity": paging.incident.severity,
        },
    }


def change(summary: str, source: str, links: Sequence[Mapping[str, str]], details: Mapping[str, Any]) -> dict[str, Any]:
    """A change event without its routing key and its time; links and details that are over the limits are left out.

    Raises LinkError for a link (`href`, `text`) that PagerDuty would not take.
    """
    for link in links:
        if not _is_web(link["href"]):
            raise LinkError(f"{link['href'][:80]!r} is not an http or https address of at most {_MOST_LINK} characters")
    payload: dict[str, Any] = {"summary": _line(summary, MOST_SUMMARY)}
    if source.strip():
        payload["source"] = _line(source, _MOST_FIELD)
    if details:
        payload["custom_details"] = _change_details(details)
    event: dict[str, Any] = {"payload": payload}
    if links:
        event["links"] = [
            {"href": link["href"], "text": _line(link["text"], _MOST_ALERT) or link["href"]}
            for link in links[:_MOST_CHANGE_LINKS]
        ]
    return event


def _change_details(details: Mapping[str, Any]) -> dict[str, Any]:
    """As many as fit, long texts cut."""
    kept: dict[str, Any] = {}
    left = _MOST_CHANGE_DETAILS
    for name, value in details.items():
        short = _text(value, _MOST_TEXT) if isinstance(value, str) else value
        left -= len(msgspec.json.encode({name: short}))
        if left < 0:
            return {**kept, "…": "the rest was cut off"}
        kept[name] = short
    return kept


def encode(event: Mapping[str, object], routing_key: str) -> bytes:
    """The request's body."""
    return msgspec.json.encode({"routing_key": routing_key, **event})


def _summary(paging: Paging) -> str:
    incident = paging.incident
    others = f" (+{incident.firing - 1} more)" if incident.firing > 1 else ""
    why = {"opened": "", "follow-up": "New alert: ", "escalation": f"Escalated to {_line(paging.to, 60)}: "}[paging.reason]
    head = f"[{incident.severity.upper()}] {why}"
    return head + _line(incident.title or "An alert", MOST_SUMMARY - len(head) - len(others)) + others


def _links(paging: Paging) -> list[dict[str, str]]:
    leader = paging.members[0] if paging.members else None
    annotations = leader.annotations if leader else {}
    alertmanager = "" if annotations.get("silenceURL") else paging.incident.external_url.rstrip("/")
    links = [
        (paging.incident_url, "Incident"),
        (paging.ack_url, "Acknowledge"),
        (paging.runbook_url or "", "Runbook"),
        (leader.generator_url if leader else "", "Source of the alert"),
        *((annotations.get(name, ""), text) for name, text in _GRAFANAS.items()),
        (f"{alertmanager}/#/alerts" if alertmanager else "", "Alertmanager"),
        (silence_url(alertmanager, leader.labels) if alertmanager and leader else "", "Silence it"),
    ]
    return [{"href": href, "text": text} for href, text in links if _is_web(href)]


def _images(paging: Paging) -> list[dict[str, str]]:
    """The picture of the panel, as Grafana gives it; PagerDuty shows those of https addresses alone."""
    src = paging.members[0].annotations.get("imageURL", "") if paging.members else ""
    if not (_is_web(src) and src.startswith("https://")):
        return []
    href = paging.members[0].annotations.get("panelURL", "")
    return [{"src": src, "alt": "The panel", **({"href": href} if _is_web(href) else {})}]


def silence_url(alertmanager: str, labels: Mapping[str, str]) -> str:
    """Alertmanager's form for a silence, filled in with these labels."""
    matchers = "%2C%20".join(_matcher(name, value) for name, value in labels.items())
    return f"{alertmanager}/#/silences/new?filter=%7B{matchers}%7D"


@lru_cache(_REMEMBERED)
def _matcher(name: str, value: str) -> str:
    return quote(f"{name if _PLAIN.fullmatch(name) else _quoted(name)}={_quoted(value)}")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _details(paging: Paging) -> dict[str, str]:
    """Flat, short, plain, and named so that A-Z, which is how PagerDuty shows them, is the reading order."""
    incident = paging.incident
    leader = paging.members[0] if paging.members else None
    annotations = leader.annotations if leader else {}
    firing = [member for member in paging.members if member.firing]
    details = {
        "1 What fires": incident.title,
        "2 Description": annotations.get("description") or annotations.get("message") or "",
        "3 First steps": _first_steps(paging.steps),
        "4 Escalation": escalation_in_words(incident, has_section=paging.runbook_url is not None, unread=paging.unread),
        "5 Alerts": _alerts(firing),
        "6 Counts": f"{incident.firing} firing, {incident.resolved} resolved" + _cut_off(incident),
        "7 Labels": _pairs(leader.labels) if leader else "",
    }
    return _fitting({name: text.strip() for name, text in details.items() if text.strip()})


def _fitting(details: dict[str, str]) -> dict[str, str]:
    """Cut details to their limits; all of them together stay far below PagerDuty's limit, whatever their characters cost."""
    limits = {"2 Description": 4000, "5 Alerts": _MOST_TEXT, "7 Labels": 6000}
    return {name: _text(text, limits.get(name, _MOST_TEXT)) for name, text in details.items()}


def _first_steps(steps: Sequence[Steps]) -> str:
    if not steps:
        return "no runbook section names this alert"
    if len(steps) == 1:
        return steps[0].text
    return "\n\n".join(f"{one.title}\n{one.text}" for one in steps)


def escalation_in_words(incident: Incident, *, has_section: bool, unread: str = "") -> str:
    """The policy as a person says it, where it was read, and why not in the runbook."""
    steps = incident.policy.steps
    said = "; ".join(_step(step.after, step.to, step.unless) for step in steps) or "none"
    source = incident.policy.source
    if source not in {"default", "route"}:
        return f"{said} ({source})" if steps else said
    why = f"; {unread} cannot be read" if unread else "; the runbook states none" if has_section else ""
    return f"{said} ({source}{why})" if steps or unread else said


def _step(after: timedelta, to: str, unless: str | None) -> str:
    when = f"in {format_duration(after)}" if after else "at once"
    return f"{to} {when}" + (f" unless {unless}" if unless else "")


def _alerts(firing: Sequence[Member]) -> str:
    shown = [_line(f"{member.title} {_pairs(member.labels, ', ')}", _MOST_ALERT) for member in firing[:_MOST_ALERTS]]
    left = len(firing) - len(shown)
    return "\n".join([*shown, f"… and {left:,} more"] if left else shown)


def _cut_off(incident: Incident) -> str:
    return f"; Alertmanager cut off {incident.truncated} alerts" if incident.truncated else ""


def _pairs(labels: Mapping[str, str], separator: str = "\n") -> str:
    return separator.join(f"{name}={_line(value, _MOST_FIELD)}" for name, value in labels.items())


def _line(text: str, most: int) -> str:
    """One line of at most `most` characters."""
    if len(text) <= most and text.isprintable():
        return text.strip()
    line = _CONTROL.sub(" ", text[: most * 4]).strip()
    return line if len(line) <= most and len(text) <= most * 4 else line[: most - 1].rstrip() + "…"


def _text(text: str, most: int) -> str:
    """Plain text of at most `most` characters, cut at the end of a line."""
    clean = _CONTROL_IN_LINES.sub(" ", text[: most + 1])
    if len(clean) <= most:
        return clean
    kept = clean[: most - 1].rsplit("\n", 1)[0] if "\n" in clean[most // 2 : most - 1] else clean[: most - 1]
    return kept.rstrip() + "…"


def _is_web(href: str) -> bool:
    """Whether PagerDuty takes it as a link."""
    if len(href) > _MOST_LINK:
        return False
    if _PLAIN_LINK.fullmatch(href):
        return True
    if not href or _CONTROL.search(href) or " " in href:
        return False
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)
