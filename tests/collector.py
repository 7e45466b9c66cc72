"""A collector of traces, for tests: it gets OTLP over HTTP as a real one does, and decodes the protobuf."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse


class Collector:
    """A receiver of OTLP over http/protobuf, on a real socket; `spans` are those it was sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: set[str] = set()
        collector = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
                sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
                for group in sent.resource_spans:
                    collector.resources |= {f"{one.key}={one.value.string_value}" for one in group.resource.attributes}
                    collector.spans += [span for scope in group.scope_spans for span in scope.spans]
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def of(self, trace: str) -> dict[str, Any]:
        """The spans of a trace, by name."""
        return {span.name: span for span in self.spans if span.trace_id.hex() == trace}

    def tree(self, trace: str) -> list[str]:
        """The spans of a trace, a line each, what is below another indented under it, in the order of their starts."""
        spans = sorted((one for one in self.spans if one.trace_id.hex() == trace), key=lambda one: one.start_time_unix_nano)
        known = {one.span_id for one in spans}

        def lines(parent: bytes, depth: int) -> Iterator[str]:
            for one in spans:
                if one.parent_span_id == parent or (depth == 0 and one.parent_span_id not in known):
                    yield "   " * depth + " ".join([one.name, *(f"{name}={value}" for name, value in facts(one).items())])
                    yield from lines(one.span_id, depth + 1)

        return list(lines(b"", 0))


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that receives."""
    one = Collector()
    thread = Thread(target=one.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.server.shutdown()
        one.server.server_close()
        thread.join()


def traced(url: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}


def facts(span: Any) -> dict[str, Any]:
    """What a span says of itself."""
    return {one.key.removeprefix("alertrouter."): one.value.string_value or one.value.int_value for one in span.attributes}
