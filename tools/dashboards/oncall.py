"""On-call health: whether alertrouter itself is well."""

from tools.dashboards.grafana import Choice, Dashboard, Episodes, Panel, Query, Row, number

_JOB = 'job="alertrouter"'
_PAGES = number(
    "Oldest page that waits",
    "s",
    "For how long the oldest event that PagerDuty is owed has been waiting. The rule pages from two minutes on.",
    "max(alertrouter_outbox_oldest_pending_seconds)",
    steps=((30, "yellow"), (120, "red")),
    runbook="AlertrouterPagesNotGettingOut",
)
_DEAD = number(
    "Dead letters",
    "none",
    "Events that PagerDuty has refused for good; each wants a person.",
    'max(alertrouter_outbox_deliveries{state="dead"})',
    steps=((1, "red"),),
    runbook="AlertrouterDeadLetters",
)
_OPEN = number(
    "Open incidents",
    "none",
    "Incidents that are not resolved. Every replica tells the same of the database, so the largest answer of each is taken.",
    'sum(max by (severity, target) (alertrouter_incidents_open{target=~"$target"}))',
    steps=((1, "yellow"),),
)
_REPLICAS = number(
    "Replicas that answer",
    "none",
    "Replicas that Prometheus can scrape.",
    f"sum(up{{{_JOB}}})",
    below="red",
    steps=((1, "green"),),
    runbook="AlertrouterDown",
)
_DEDUPED = number(
    "Deduped",
    "percentunit",
    "Share of the last hour's notifications that repeated what was known, and paged nobody.",
    '(sum(rate(alertrouter_notifications_total{source=~"$source", outcome="repeated"}[1h])) or vector(0))'
    ' / sum(rate(alertrouter_notifications_total{source=~"$source"}[1h]))',
    below="blue",
    most=1,
)
_ROUND = number(
    "Worker's last round",
    "s",
    "How long ago the slowest loop of the worker went round.",
    f"max(time() - alertrouter_worker_last_cycle_timestamp_seconds and on (instance) up{{{_JOB}}} == 1)",
    steps=((30, "yellow"), (60, "red")),
    runbook="AlertrouterWorkerStuck",
)
_TO_PAGERDUTY = Panel(
    "Time to PagerDuty",
    "s",
    "From the moment that a page was owed to PagerDuty's 202. Points are exemplars: each leads to its trace.",
    [
        Query(
            f"histogram_quantile({share}, sum by (le) (rate("
            'alertrouter_delivery_seconds_bucket{action="trigger"}[$__rate_interval])))',
            name,
            exemplars=share == 0.99,
        )
        for share, name in ((0.5, "half of them"), (0.95, "95%"), (0.99, "99%"))
    ],
    steps=((120, "red"),),
    runbook="AlertrouterPagesNotGettingOut",
)
_DELIVERIES = Panel(
    "Events sent to PagerDuty",
    "opm",
    "Attempts a minute, by what was asked of PagerDuty and how it ended.",
    [Query("60 * sum by (action, outcome) (rate(alertrouter_deliveries_total[$__rate_interval]))", "{{action}}, {{outcome}}")],
    stacked=True,
    runbook="AlertrouterPagesNotGettingOut",
)
_WAITING = Panel(
    "Owed to PagerDuty",
    "none",
    "Events that wait to be sent, and those that it has refused for good.",
    [Query("max by (state) (alertrouter_outbox_deliveries)", "{{state}}")],
    runbook="AlertrouterDeadLetters",
)
_NOTIFICATIONS = Panel(
    "Notifications",
    "opm",
    "Webhooks a minute, by what they did: opened or changed an incident, repeated what was known, or were refused (a status).",
    [Query('60 * sum by (outcome) (rate(alertrouter_notifications_total{source=~"$source"}[$__rate_interval]))', "{{outcome}}")],
    stacked=True,
    runbook="AlertrouterNoNotifications",
)
_ALERTS = Panel(
    "Alerts in them",
    "opm",
    "Alerts a minute in the notifications that were accepted.",
    [Query("60 * sum by (status) (rate(alertrouter_alerts_total[$__rate_interval]))", "{{status}}")],
)
_REFUSED = Panel(
    "Refused and unreadable",
    "opm",
    "Webhooks a minute that were answered with an error, and alerts that could not be read.",
    [
        Query(
            '60 * sum by (outcome) (rate(alertrouter_notifications_total{outcome=~"4..|5.."}[$__rate_interval]))',
            "answered with {{outcome}}",
        ),
        Query("60 * sum(rate(alertrouter_unreadable_alerts_total[$__rate_interval]))", "unreadable alerts"),
    ],
    runbook="AlertrouterWebhookErrors",
)
_BY_SEVERITY = Panel(
    "Open incidents by severity",
    "none",
    "Incidents that are not resolved.",
    [Query('sum by (severity) (max by (severity, target) (alertrouter_incidents_open{target=~"$target"}))', "{{severity}}")],
    stacked=True,
)
_OPENED = Panel(
    "Opened and resolved",
    "none",
    "Incidents of the hour before: opened, by severity, and resolved, by whom.",
    [
        Query('sum by (severity) (increase(alertrouter_incidents_opened_total{target=~"$target"}[1h]))', "opened, {{severity}}"),
        Query("sum by (by) (increase(alertrouter_incidents_resolved_total[1h]))", "resolved by {{by}}"),
    ],
)
_RUNBOOKS = Panel(
    "Alerts that have a runbook section",
    "percentunit",
    "Of the alerts that are firing, and of all names that ever fired.",
    [
        Query(
            'sum by (alerts) (max by (alerts, runbook) (alertrouter_runbook_coverage{runbook="matched"}))'
            " / sum by (alerts) (max by (alerts, runbook) (alertrouter_runbook_coverage))",
            "{{alerts}}",
        )
    ],
    most=1,
)
_LATENESS = Panel(
    "Lateness of escalation steps",
    "s",
    "How long after it was due a step was taken. The rule pages from 15 seconds on.",
    [
        Query(
            f"histogram_quantile({share}, sum by (le) (rate(alertrouter_escalation_lateness_seconds_bucket[10m])))",
            name,
            exemplars=share == 0.99,
        )
        for share, name in ((0.5, "half of them"), (0.99, "99%"))
    ],
    steps=((15, "red"),),
    runbook="AlertrouterTimersLate",
)
_STEPS = Panel(
    "Steps taken, holds cancelled",
    "none",
    "In the hour before: escalation steps that were due, and resolves that were held back and proved wrong.",
    [
        Query("sum(increase(alertrouter_escalation_steps_total[1h]))", "escalation steps"),
        Query("sum(increase(alertrouter_resolve_holds_cancelled_total[1h]))", "resolves that proved wrong"),
    ],
)
_UNCONFIRMED = Panel(
    "Pages in doubt",
    "none",
    "In the hour before: pages that PagerDuty opened no incident for, and differences from it that were found and healed.",
    [
        Query("sum(increase(alertrouter_unconfirmed_pages_total[1h]))", "not confirmed"),
        Query("sum(increase(alertrouter_pagerduty_healed_total[1h]))", "healed"),
    ],
)
_DATABASE = Panel(
    "Database: time of a write",
    "s",
    "A transaction, with what decided it and its commit.",
    [
        Query(
            f"histogram_quantile({share}, sum by (le) (rate(alertrouter_database_write_seconds_bucket[$__rate_interval])))", name
        )
        for share, name in ((0.5, "half of them"), (0.99, "99%"))
    ],
    width=6,
)
_BATCH = Panel(
    "Requests in a transaction",
    "none",
    "Many under load: they share one commit.",
    [
        Query(
            "sum(rate(alertrouter_commit_batch_size_sum[$__rate_interval]))"
            " / sum(rate(alertrouter_commit_batch_size_count[$__rate_interval]))",
            "mean",
        )
    ],
    width=6,
)
_SKEW = Panel(
    "Clocks: ahead of the database's",
    "s",
    "The rule warns from 5 seconds on, either way.",
    [Query("alertrouter_clock_skew_seconds", "{{instance}}")],
    steps=((5, "red"),),
    width=6,
    runbook="AlertrouterClockSkew",
)
_PROCESS = Panel(
    "Processor",
    "percentunit",
    "Share of one core.",
    [Query(f"rate(process_cpu_seconds_total{{{_JOB}}}[$__rate_interval])", "{{instance}}")],
    width=6,
)

ONCALL = Dashboard(
    "alertrouter-oncall",
    "On-call health",
    "alertrouter itself: whether pages get out, what comes in, what is open, and what it costs.",
    [
        Choice("source", "Source", "label_values(alertrouter_notifications_total, source)"),
        Choice("target", "Target", "label_values(alertrouter_incidents_open, target)"),
    ],
    [
        Episodes(
            "Open incidents",
            'max by (severity, target) (alertrouter_incidents_open{target=~"$target"}) > 0',
            "{{severity}}",
            "an incident of {{target}} is open",
        ),
        Episodes("alertrouter's own alerts", 'ALERTS{team="alertrouter", alertstate="firing"}', "{{alertname}}", "{{severity}}"),
    ],
    [
        Row("Do pages get out?", [_PAGES, _DEAD, _OPEN, _REPLICAS, _DEDUPED, _ROUND, _TO_PAGERDUTY, _DELIVERIES, _WAITING]),
        Row("What comes in", [_NOTIFICATIONS, _ALERTS, _REFUSED]),
        Row("Incidents", [_BY_SEVERITY, _OPENED, _RUNBOOKS, _LATENESS, _STEPS, _UNCONFIRMED]),
        Row("Inside", [_DATABASE, _BATCH, _SKEW, _PROCESS]),
    ],
)
