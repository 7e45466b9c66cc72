"""What the agent tells Prometheus: business, technical and system."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

OUTCOMES = ("qualified", "unqualified", "abandoned")
ERROR_TYPES = ("validation", "api", "llm", "database")


class Metrics:
    """The metrics of one agent, in a registry of their own. What may be counted is there from the start, as 0."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.conversations = Counter("conversations_total", "Conversations that are over.", ["outcome"], registry=registry)
        self.leads_created = Counter("leads_created_total", "Leads created in the CRM.", registry=registry)
        self.conversion_rate = Gauge(
            "conversion_rate", "Share of the last 200 conversations that were qualified, 0 to 1.", registry=registry
        )
        self.response_latency = Histogram(
            "response_latency_seconds",
            "From the arrival of a message to its answer, or to its failure.",
            buckets=(0.1, 0.5, 1, 2, 5, 10),
            registry=registry,
        )
        self.errors = Counter("errors_total", "Messages that could not be answered.", ["error_type"], registry=registry)
        self.llm_tokens_used = Counter("llm_tokens_used_total", "Tokens that the model has used.", registry=registry)
        self.llm_cost = Counter("llm_cost_total", "What the model has cost, in US dollars.", registry=registry)
        self.db_connections = Gauge("db_connections_active", "Open connections to the database.", registry=registry)
        self.queue_size = Gauge("message_queue_size", "Messages that wait for a worker.", registry=registry)
        self.cache_hits = Counter("cache_hits_total", "Questions whose answer was known.", registry=registry)
        self.cache_misses = Counter("cache_misses_total", "Questions that the model had to answer.", registry=registry)
        for outcome in OUTCOMES:
            self.conversations.labels(outcome)
        for error_type in ERROR_TYPES:
            self.errors.labels(error_type)

    def watch(self, connections: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Let the two gauges be asked for when they are scraped."""
        self.db_connections.set_function(connections)
        self.queue_size.set_function(waiting)
