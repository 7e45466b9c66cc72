"""Logs as JSON on standard output; traces by OTLP where the standard `OTEL_*` variables name a place for them."""

import os
from collections.abc import Mapping

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

SERVICE = "agent-service"
_FIRST = ("timestamp", "level", "message", "service", "trace_id", "span_id")


def configure_logs() -> None:
    """One JSON object a line, what every line has first."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.EventRenamer("message"),
            _name,
            structlog.processors.JSONRenderer(),
        ],
        cache_logger_on_first_use=False,
    )


def _name(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The service, and the trace where there is one."""
    context = trace.get_current_span().get_span_context()
    ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"} if context.is_valid else {}
    event = {**event, "service": SERVICE, **ids}
    return {**{name: event[name] for name in _FIRST if name in event}, **event}


def start_traces(env: Mapping[str, str] = os.environ) -> TracerProvider | None:
    """Send spans from now on, if an endpoint is named; what is to be shut down at the end."""
    if not env.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
