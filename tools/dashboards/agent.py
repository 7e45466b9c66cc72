"""The agent overview: the sample service, as a team that runs it would look at it."""

from tools.dashboards.grafana import Choice, Dashboard, Episodes, Panel, Query, Row, number

_OF = '{instance=~"$instance"}'
_PER_MINUTE = number(
    "Conversations per minute",
    "opm",
    "Conversations that came to an end.",
    f"60 * sum(rate(conversations_total{_OF}[5m]))",
    below="blue",
)
_P95 = number(
    "Latency, p95",
    "s",
    "From the arrival of a message to its answer: 95% of them are faster. The rule warns from 5 seconds on.",
    f"histogram_quantile(0.95, sum by (le) (rate(response_latency_seconds_bucket{_OF}[5m])))",
    steps=((2, "yellow"), (5, "red")),
    runbook="HighLatency",
)
_ERRORS = number(
    "Error rate",
    "percentunit",
    "Share of the messages that ended in an error. The rule pages from 1% on.",
    f"sum(rate(errors_total{_OF}[5m])) / sum(rate(response_latency_seconds_count{_OF}[5m]))",
    steps=((0.005, "yellow"), (0.01, "red")),
    runbook="HighErrorRate",
)
_CONVERSION = number(
    "Conversion",
    "percentunit",
    "Share of the last 200 conversations that were qualified.",
    f"avg(conversion_rate{_OF})",
    below="blue",
    most=1,
)
_COST = number(
    "Cost of the last hour",
    "currencyUSD",
    "What the model has cost. The rule warns from 10 dollars on.",
    f"sum(increase(llm_cost_total{_OF}[1h]))",
    steps=((5, "yellow"), (10, "red")),
    runbook="HighLLMCost",
)
_CONNECTIONS = number(
    "Database connections",
    "none",
    "Open connections of the instance that has fewest; the rule pages at none.",
    f"min(db_connections_active{_OF})",
    below="red",
    steps=((1, "green"),),
    runbook="DatabaseDown",
)
_OUTCOMES = Panel(
    "Conversations by outcome",
    "opm",
    "Conversations a minute: qualified, unqualified, or abandoned because they failed or took longer than 5 seconds.",
    [Query(f"60 * sum by (outcome) (rate(conversations_total{_OF}[$__rate_interval]))", "{{outcome}}")],
    stacked=True,
)
_LATENCY = Panel(
    "Response latency",
    "s",
    "From the arrival of a message to its answer, or to its failure.",
    [
        Query(
            f"histogram_quantile({share}, sum by (le) (rate(response_latency_seconds_bucket{_OF}[$__rate_interval])))",
            f"p{share * 100:.0f}",
        )
        for share in (0.5, 0.95, 0.99)
    ],
    steps=((5, "red"),),
    runbook="HighLatency",
)
_BY_TYPE = Panel(
    "Error rate by type",
    "percentunit",
    "Share of the messages that ended in each type of error.",
    [
        Query(
            f"sum by (error_type) (rate(errors_total{_OF}[$__rate_interval]))"
            f" / ignoring (error_type) group_left () sum(rate(response_latency_seconds_count{_OF}[$__rate_interval]))",
            "{{error_type}}",
        )
    ],
    steps=((0.01, "red"),),
    stacked=True,
    runbook="HighErrorRate",
)
_RATE = Panel(
    "Conversion",
    "percentunit",
    "Share of each instance's last 200 conversations that were qualified.",
    [Query(f"conversion_rate{_OF}", "{{instance}}")],
    most=1,
)
_LEADS = Panel(
    "Leads created",
    "opm",
    "Leads a minute in the CRM.",
    [Query(f"60 * sum(rate(leads_created_total{_OF}[$__rate_interval]))", "leads")],
)
_TOKENS = Panel(
    "Tokens",
    "opm",
    "Tokens a minute that the model has used.",
    [Query(f"60 * sum(rate(llm_tokens_used_total{_OF}[$__rate_interval]))", "tokens")],
)
_PRICE = Panel(
    "Cost per hour",
    "currencyUSD",
    "What an hour would cost at the rate of the moment, and what the last hour has cost.",
    [
        Query(f"3600 * sum(rate(llm_cost_total{_OF}[$__rate_interval]))", "at this rate"),
        Query(f"sum(increase(llm_cost_total{_OF}[1h]))", "last hour"),
    ],
    steps=((10, "red"),),
    runbook="HighLLMCost",
)
_FAILURES = Panel(
    "Failures of the model",
    "ops",
    "Failed calls a second. The rule warns from 0.05 on.",
    [Query('sum(rate(errors_total{instance=~"$instance", error_type="llm"}[5m]))', "failures")],
    steps=((0.05, "red"),),
    runbook="LLMAPIFailures",
)
_CACHE = Panel(
    "Cache hits",
    "percentunit",
    "Share of the questions whose answer was known.",
    [
        Query(
            f"sum(rate(cache_hits_total{_OF}[$__rate_interval]))"
            f" / (sum(rate(cache_hits_total{_OF}[$__rate_interval])) + sum(rate(cache_misses_total{_OF}[$__rate_interval])))",
            "hits",
        )
    ],
    most=1,
)
_QUEUE = Panel(
    "Messages that wait",
    "none",
    "A queue that only grows wants more workers, or a faster model.",
    [Query(f"message_queue_size{_OF}", "{{instance}}")],
    width=6,
    runbook="HighLatency",
)
_POOL = Panel(
    "Open database connections",
    "none",
    "None is an outage: nothing of what the agent does is kept.",
    [Query(f"db_connections_active{_OF}", "{{instance}}")],
    width=6,
    runbook="DatabaseDown",
)
_CPU = Panel(
    "Processor",
    "percentunit",
    "Share of one core.",
    [Query('rate(process_cpu_seconds_total{job="agent-service", instance=~"$instance"}[$__rate_interval])', "{{instance}}")],
    width=6,
)
_MEMORY = Panel(
    "Memory",
    "bytes",
    "Resident memory.",
    [Query('process_resident_memory_bytes{job="agent-service", instance=~"$instance"}', "{{instance}}")],
    width=6,
)

AGENT = Dashboard(
    "agent-overview",
    "Agent overview",
    "The conversational agent: what people get of it, how fast, at what price, and what it leans on.",
    [Choice("instance", "Instance", "label_values(response_latency_seconds_count, instance)")],
    [
        Episodes(
            "Alerts",
            'ALERTS{alertname=~"HighLatency|HighErrorRate|DatabaseDown|LLMAPIFailures|HighLLMCost", alertstate="firing"}',
            "{{alertname}}",
            "{{severity}}",
        )
    ],
    [
        Row("Now", [_PER_MINUTE, _P95, _ERRORS, _CONVERSION, _COST, _CONNECTIONS]),
        Row("Business", [_OUTCOMES, _RATE, _LEADS]),
        Row("How well it answers", [_LATENCY, _BY_TYPE, _CACHE]),
        Row("The model", [_TOKENS, _PRICE, _FAILURES]),
        Row("System", [_QUEUE, _POOL, _CPU, _MEMORY]),
    ],
)
