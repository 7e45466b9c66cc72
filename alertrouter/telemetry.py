"""Metrics, by Prometheus's naming rules. Labels are bounded: no alert's text is in them."""

from collections import Counter as Counts
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from prometheus_client import Counter, Gauge, Histogram

from alertrouter import traces
from alertrouter.incidents import Change
from alertrouter.incidents.draft import SEVERITIES

NOTIFICATIONS = Counter(
    "alertrouter_notifications_total",
    "Notifications received, by source and what they did: opened or changed an incident, repeated what was known, were refused.",
    ["source", "outcome"],
)
ALERTS = Counter("alertrouter_alerts_total", "Alerts in accepted notifications.", ["status"])
UNREADABLE = Counter("alertrouter_unreadable_alerts_total", "Alerts that could not be read.")
OPENED = Counter("alertrouter_incidents_opened_total", "Incidents opened.", ["severity", "target"])
OPEN = Gauge("alertrouter_incidents_open", "Incidents that are open.", ["severity", "target"])
RESOLVED = Counter("alertrouter_incidents_resolved_total", "Incidents resolved.", ["by"])
RUNBOOKS = Counter("alertrouter_runbook_matches_total", "Incidents opened with and without a runbook section.", ["result"])
RUNBOOK_FILES = Gauge("alertrouter_runbook_files", "Runbook files that count.")
RUNBOOK_SECTIONS = Gauge("alertrouter_runbook_sections", "Sections in them.")
RUNBOOK_PROBLEMS = Gauge("alertrouter_runbook_problems", "Runbook files, or parts of them, that cannot be taken as they are.")
RUNBOOK_LOADED = Gauge("alertrouter_runbooks_loaded_timestamp_seconds", "When the runbooks were last taken in.")
ROUTING_PROBLEMS = Gauge("alertrouter_routing_problems", "What is wrong with the routing file, while the last good one goes on.")
LOST_KEYS = Gauge(
    "alertrouter_lost_routing_keys", "Targets whose routing key open incidents need and nobody configures any more."
)
RUNBOOK_COVERAGE = Gauge(
    "alertrouter_runbook_coverage",
    "Alerts with and without a runbook section: those that are firing, and the names that ever fired.",
    ["alerts", "runbook"],
)
DELIVERIES = Counter("alertrouter_deliveries_total", "Attempts to send an event to PagerDuty.", ["action", "outcome"])
FALLBACKS = Counter(
    "alertrouter_fallbacks_total", "Pages sent other ways than through PagerDuty, each place by itself, by outcome.", ["outcome"]
)
WEBHOOKS = Counter("alertrouter_pagerduty_webhooks_total", "Webhooks from PagerDuty, by what became of them.", ["outcome"])
HEALED = Counter("alertrouter_pagerduty_healed_total", "Differences from PagerDuty that asking its API found and healed.")
UNCONFIRMED = Counter("alertrouter_unconfirmed_pages_total", "Pages that PagerDuty took and opened no incident for in time.")
DELIVERY_SECONDS = Histogram(
    "alertrouter_delivery_seconds",
    "From the moment a delivery was owed to PagerDuty's acceptance.",
    ["action"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800),
)
OUTBOX = Gauge("alertrouter_outbox_deliveries", "Deliveries that are dead, and that are still owed to PagerDuty.", ["state"])
OLDEST_PENDING = Gauge("alertrouter_outbox_oldest_pending_seconds", "For how long the oldest pending delivery has been owed.")
CHANGES = Counter("alertrouter_changes_total", "Attempts to send a change event to PagerDuty.", ["outcome"])
ESCALATIONS = Counter("alertrouter_escalation_steps_total", "Escalation steps taken because they were due.")
LATENESS = Histogram(
    "alertrouter_escalation_lateness_seconds",
    "How late an escalation step was taken, by the clock that decides what is due.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300),
)
HOLDS_CANCELLED = Counter("alertrouter_resolve_holds_cancelled_total", "Resolves that were held back and proved wrong.")
BATCH_SIZE = Histogram(
    "alertrouter_commit_batch_size",
    "Requests that were written in one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
DATABASE_SECONDS = Histogram(
    "alertrouter_database_write_seconds",
    "How long a write transaction took, its commit and what decided it included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
CLOCK_SKEW = Gauge("alertrouter_clock_skew_seconds", "How far this process's clock is ahead of the database's.")
CONNECTIONS_ENDED = Counter(
    "alertrouter_connections_ended_total",
    "Connections that were ended: too slow, too large headers, no HTTP, or too many connections at once.",
    ["why"],
)
BUILD = Gauge("alertrouter_build_info", "Always 1; the version, and which database there is.", ["version", "database"])
WORKER_CYCLE = Gauge("alertrouter_worker_last_cycle_timestamp_seconds", "When a loop of the worker last went round.", ["loop"])


for _by in ("alertmanager", "person"):
    RESOLVED.labels(_by)
for _result in ("matched", "missing"):
    RUNBOOKS.labels(_result)  # what is there only from the first on has that one in no `increase`


_MOST_SOURCES = 100
_sources: set[str] = set()


def count_intake(accepted: Sequence[tuple[str, str]], alerts: int, firing: int, unreadable: int) -> None:
    """Count what a committed batch of notifications brought, and the source and the outcome of each."""
    for (source, outcome), count in Counts(accepted).items():
        NOTIFICATIONS.labels(_source(source), outcome).inc(count)
    ALERTS.labels("firing").inc(firing)
    ALERTS.labels("resolved").inc(alerts - firing)
    UNREADABLE.inc(unreadable)


def outcome_of(changes: Sequence[Change]) -> str:
    """What a notification did, as a label."""
    if any(change.opened for change in changes):
        return "opened"
    return "changed" if any(change.entries for change in changes) else "repeated"


def count_refusal(status: int) -> None:
    """Count a notification that was not accepted; its source is anybody's word."""
    NOTIFICATIONS.labels("", str(status)).inc()


def _source(name: str) -> str:
    """A source as a label: senders choose them freely, so that those after the first hundred are one."""
    if len(_sources) < _MOST_SOURCES:
        _sources.add(name)
    return name if name in _sources else "other"


def count_open(counts: Mapping[tuple[str, str], int], targets: Iterable[str]) -> None:
    """Tell how many incidents are open, by severity and target; none, too, for the targets that there are."""
    none = {(severity, target): 0 for severity in SEVERITIES for target in targets}
    for labels in none:
        OPENED.labels(*labels)
    OPEN.clear()
    for labels, count in (none | dict(counts)).items():
        OPEN.labels(*labels).set(count)


def count_batch(size: int, seconds: float) -> None:
    """Count a write transaction."""
    BATCH_SIZE.observe(size)
    DATABASE_SECONDS.observe(seconds)


def count_sent(action: str, owed_for: timedelta, trace: str) -> None:
    """Count an event that PagerDuty has accepted, and how long it was owed; `trace` is the context of its attempt."""
    DELIVERY_SECONDS.labels(action).observe(max(owed_for.total_seconds(), 0.0), _exemplar(trace))


def _exemplar(trace: str) -> dict[str, str] | None:
    return traces.ids(trace) or None


def count_runbooks(files: int, sections: int, problems: int) -> None:
    """Tell what the runbook folders hold."""
    RUNBOOK_FILES.set(files)
    RUNBOOK_SECTIONS.set(sections)
    RUNBOOK_PROBLEMS.set(problems)
    RUNBOOK_LOADED.set_to_current_time()


def count_outbox(pending: int, dead: int, oldest_seconds: float) -> None:
    """Tell what PagerDuty has not got: how much, and for how long the oldest that is pending."""
    OUTBOX.labels("pending").set(pending)
    OUTBOX.labels("dead").set(dead)
    OLDEST_PENDING.set(oldest_seconds)


def count_coverage(firing: tuple[int, int], known: int, uncovered: int) -> None:
    """Tell how many alerts have a runbook section; `firing` with one and without."""
    for alerts, matched, missing in (("firing", *firing), ("known", known - uncovered, uncovered)):
        RUNBOOK_COVERAGE.labels(alerts, "matched").set(matched)
        RUNBOOK_COVERAGE.labels(alerts, "missing").set(missing)


def count_changes(changes: Sequence[Change], trace: str = "") -> None:
    """Count what committed decisions did; `trace` is the context of what caused them."""
    for change in changes:
        incident = change.state.incident
        if change.opened:
            OPENED.labels(incident.severity, incident.target).inc()
            RUNBOOKS.labels("matched" if incident.section else "missing").inc()
        for entry in change.entries:
            if entry.kind == "resolved":
                RESOLVED.labels("person" if incident.resolved_by_person else "alertmanager").inc()
            elif entry.kind == "hold_cancelled":
                HOLDS_CANCELLED.inc()
        for late in change.lateness:
            ESCALATIONS.inc()
            LATENESS.observe(late.total_seconds(), _exemplar(trace))
