"""Traces by OpenTelemetry: off, and free, unless the standard `OTEL_*` variables ask for them.

What is to be done later keeps the context of what caused it as a W3C `traceparent` text, so that a page belongs to the trace of
its notification however long it waits. Sources: W3C Trace Context; OpenTelemetry's environment variables.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from typing import Literal, Protocol

Kind = Literal["server", "client", "internal"]
Facts = Mapping[str, str | int | float]
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PARTS = 4


class Tracer(Protocol):
    """What `alertrouter.traces.exporter` does where it is on."""

    @contextmanager
    def span(self, name: str, kind: Kind, parent: str, facts: Facts) -> Iterator[str]:
        """Trace a piece of work; its context."""
        yield ""

    def note(self, facts: Facts) -> None:
        """Add to what the span of the moment says."""

    def current(self) -> str:
        """The context of what is being traced."""

    def close(self) -> None:
        """Send what is left."""


class TracesError(Exception):
    """Traces are asked for and cannot be had; the text says what to do."""


_tracer: Tracer | None = None
_NOTHING = nullcontext("")


def is_wanted(env: Mapping[str, str]) -> bool:
    """Whether the environment names a place to send traces to."""
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporters = env.get("OTEL_TRACES_EXPORTER", "")
    return exporters == "otlp" or (not exporters and any(env.get(name) for name in _ENDPOINTS))


def start(env: Mapping[str, str] = os.environ) -> None:
    """Begin to trace, if that is wanted. Raises TracesError."""
    global _tracer  # noqa: PLW0603 - one for each process, as OpenTelemetry's own
    if not is_wanted(env):
        return
    protocol = env.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or env.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
    if protocol != "http/protobuf":
        raise TracesError(f"OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent as http/protobuf, not as {protocol}")
    if find_spec("opentelemetry") is None:
        raise TracesError("OTEL_…: traces are asked for; install 'alertrouter[traces]'")
    from alertrouter.traces.exporter import Exporter  # noqa: PLC0415 - an extra, and a slow import

    _tracer = Exporter(env)


def stop() -> None:
    """Send what is left, and trace no more."""
    global _tracer  # noqa: PLW0603
    if _tracer is not None:
        _tracer.close()
    _tracer = None


def is_on() -> bool:
    """Whether anything is traced."""
    return _tracer is not None


def span(name: str, kind: Kind = "internal", parent: str = "", **facts: str | int | float) -> AbstractContextManager[str]:
    """Trace a piece of work; its context as a `traceparent`, empty where nothing is traced.

    `parent` is the context of what caused it; without one it belongs to what is being traced around it.
    """
    return _NOTHING if _tracer is None else _tracer.span(name, kind, parent, facts)


def note(**facts: str | int | float) -> None:
    """Add to what the span of the moment says."""
    if _tracer is not None:
        _tracer.note(facts)


def current() -> str:
    """The context of what is being traced, empty where nothing is."""
    return "" if _tracer is None else _tracer.current()


def ids(context: str) -> dict[str, str]:
    """`trace_id` and `span_id` of a context, for logs and exemplars; nothing where there is none."""
    parts = context.split("-")
    return {"trace_id": parts[1], "span_id": parts[2]} if len(parts) == _PARTS else {}
