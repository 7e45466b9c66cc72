"""Spans by OpenTelemetry's SDK, sent as OTLP over http/protobuf."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from alertrouter.traces import Facts, Kind

_KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
_propagator = TraceContextTextMapPropagator()


class Exporter:
    """A tracer whose endpoint, headers, sampler and batches are what the standard variables say."""

    def __init__(self, env: Mapping[str, str]) -> None:
        named = {} if env.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "alertrouter"}
        self._provider = TracerProvider(resource=Resource.create(named))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("alertrouter")

    @contextmanager
    def span(self, name: str, kind: Kind, parent: str, facts: Facts) -> Iterator[str]:
        """Trace a piece of work; an exception that leaves it is recorded."""
        context = _propagator.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(name, context, _KINDS[kind], _named(facts)):
            yield self.current()

    def note(self, facts: Facts) -> None:
        """Add to what the span of the moment says."""
        get_current_span().set_attributes(_named(facts))

    def current(self) -> str:
        """The context of what is being traced, as a `traceparent`."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get("traceparent", "")

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _named(facts: Facts) -> dict[str, str | int | float]:
    return {f"alertrouter.{name}": value for name, value in facts.items()}
