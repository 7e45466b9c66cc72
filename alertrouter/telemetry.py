"""Logs and metrics."""

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

import structlog
from prometheus_client import Counter, Gauge, Histogram

from alertrouter.alertmanager import Notification
from alertrouter.incidents import Change

NOTIFICATIONS = Counter("alertrouter_notifications_total", "Notifications received, by what became of them.", ["outcome"])
ALERTS = Counter("alertrouter_alerts_total", "Alerts in accepted notifications.", ["status"])
UNREADABLE = Counter("alertrouter_unreadable_alerts_total", "Alerts that could not be read.")
OPENED = Counter("alertrouter_incidents_opened_total", "Incidents opened.", ["severity"])
RESOLVED = Counter("alertrouter_incidents_resolved_total", "Incidents resolved.", ["by"])
RUNBOOKS = Counter("alertrouter_runbook_matches_total", "Incidents opened with and without a runbook section.", ["result"])
RUNBOOK_FILES = Gauge("alertrouter_runbook_files", "Runbook files that count.")
RUNBOOK_SECTIONS = Gauge("alertrouter_runbook_sections", "Sections in them.")
RUNBOOK_PROBLEMS = Gauge("alertrouter_runbook_problems", "Runbook files, or parts of them, that cannot be taken as they are.")
RUNBOOK_LOADED = Gauge("alertrouter_runbooks_loaded_timestamp_seconds", "When the runbooks were last taken in.")
ROUTING_PROBLEMS = Gauge("alertrouter_routing_problems", "What is wrong with the routing file, while the last good one goes on.")
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
WORKER_CYCLE = Gauge("alertrouter_worker_last_cycle_timestamp_seconds", "When a loop of the worker last went round.", ["loop"])


def configure_logs(form: Literal["json", "console"], level: str = "INFO") -> None:
    """One line for each thing that happened, on standard output: JSON, or for people's eyes."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_the_service,
    ]
    for_machines = [structlog.processors.EventRenamer("message"), structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, *(for_machines if form == "json" else ()), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_Output()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStructlog()], force=True)


class _Output:
    """Standard output, where a full disk or a closed pipe costs lines of the log and nothing else."""

    def write(self, text: str) -> None:
        """Write, if that can be done."""
        with suppress(OSError, ValueError):
            sys.stdout.write(text)

    def flush(self) -> None:
        """Flush, if that can be done."""
        with suppress(OSError, ValueError):
            sys.stdout.flush()


class _ToStructlog(logging.Handler):
    """Libraries' warnings, in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


def _name_the_service(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event["service"] = "alertrouter"
    return event


def count_intake(notifications: Sequence[Notification], changes: Sequence[Change]) -> None:
    """Count what a committed batch of notifications brought and did."""
    NOTIFICATIONS.labels("accepted").inc(len(notifications))
    for one in notifications:
        firing = sum(alert.firing for alert in one.alerts)
        ALERTS.labels("firing").inc(firing)
        ALERTS.labels("resolved").inc(len(one.alerts) - firing)
        UNREADABLE.inc(len(one.unreadable))
    count_changes(changes)


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


def count_changes(changes: Sequence[Change]) -> None:
    """Count what committed decisions did."""
    for change in changes:
        incident = change.state.incident
        if change.opened:
            OPENED.labels(incident.severity).inc()
            RUNBOOKS.labels("matched" if incident.section else "missing").inc()
        for entry in change.entries:
            if entry.kind == "resolved":
                RESOLVED.labels("person" if incident.resolved_by_person else "alertmanager").inc()
            elif entry.kind == "hold_cancelled":
                HOLDS_CANCELLED.inc()
        for late in change.lateness:
            ESCALATIONS.inc()
            LATENESS.observe(late.total_seconds())
