"""Traces, as a real collector gets them: OTLP over HTTP, decoded from its protobuf."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from alertrouter import traces
from collector import Collector, collecting, facts, traced
from processes import Router, Sandbox, ending, notification, wait_for

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = CALLER.split("-")[1]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that receives."""
    with collecting() as one:
        yield one


def test_a_page_and_its_escalation_belong_to_the_notification_s_trace(url: str, tmp_path: Path, collector: Collector) -> None:
    sandbox = Sandbox(tmp_path)
    with ending(sandbox):
        router = Router(tmp_path, sandbox.url, url, ALERTROUTER_ESCALATE_AFTER="1s", **traced(collector.url))
        with ending(router):
            sent = httpx.post(f"{router.url}/webhooks/alertmanager", json=notification("Other"), headers={"traceparent": CALLER})
            [incident] = sent.json()["incidents"]
            names = {"POST /webhooks/alertmanager", "commit", "timer", "PagerDuty trigger"}
            wait_for("both pages and their spans", lambda: names <= collector.of(TRACE).keys() and len(sandbox.alerts()) > 1)
            router.process.stop()
    spans = [span for span in collector.spans if span.trace_id.hex() == TRACE]
    server, commit = collector.of(TRACE)["POST /webhooks/alertmanager"], collector.of(TRACE)["commit"]
    assert (server.parent_span_id.hex(), commit.parent_span_id) == (CALLER.split("-")[2], server.span_id)
    timer = collector.of(TRACE)["timer"]
    pages = [span for span in spans if span.name == "PagerDuty trigger"]
    assert {page.parent_span_id for page in pages} == {server.span_id, timer.span_id}
    assert {facts(page)["incident"] for page in pages} == {incident}
    assert {facts(page)["outcome"] for page in pages} == {"sent"}
    assert facts(server)["status"] == 200
    assert "service.name=alertrouter" in collector.resources
    [line] = [line for line in router.process.log.read_text().splitlines() if '"message": "incident: opened"' in line]
    assert (json.loads(line)["trace_id"], json.loads(line)["span_id"]) == (TRACE, server.span_id.hex())


def test_a_notification_without_a_trace_begins_one(url: str, tmp_path: Path, collector: Collector) -> None:
    sandbox = Sandbox(tmp_path)
    with ending(sandbox):
        router = Router(tmp_path, sandbox.url, url, **traced(collector.url))
        with ending(router):
            router.post(notification("HighErrorRate"))
            wait_for("the page's span", lambda: "PagerDuty trigger" in {span.name for span in collector.spans})
    by_name = {span.name: span for span in collector.spans}
    assert by_name["PagerDuty trigger"].trace_id == by_name["POST /webhooks/alertmanager"].trace_id
    assert by_name["POST /webhooks/alertmanager"].parent_span_id == b""


def test_a_collector_that_is_away_costs_no_page_and_no_stop(url: str, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with ending(sandbox):
        router = Router(tmp_path, sandbox.url, url, **traced("http://127.0.0.1:9"))
        with ending(router):
            router.post(notification("HighErrorRate"))
            wait_for("the page", sandbox.alerts)
            started = time.monotonic()
            assert router.process.stop() == 0
            assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://jaeger:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318"}, False),
    ],
)
def test_the_standard_variables_say_whether_anything_is_traced(env: dict[str, str], wanted: bool) -> None:
    assert traces.is_wanted(env) is wanted


def test_another_protocol_is_one_line_and_no_start() -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with pytest.raises(traces.TracesError, match=r"^OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent as http/protobuf, not as grpc$"):
        traces.start(env)


def test_what_is_not_traced_has_no_context() -> None:
    with traces.span("nothing", parent=CALLER) as context:
        assert (context, traces.current(), traces.ids(context)) == ("", "", {})
