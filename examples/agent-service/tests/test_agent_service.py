"""The agent tells of itself what happens to it, and breaks as its switches say."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

import agent_service.agent
from agent_service import telemetry
from agent_service.app import create_app
from agent_service.metrics import ERROR_TYPES

NAMES = {
    "conversations",
    "leads_created",
    "conversion_rate",
    "response_latency_seconds",
    "errors",
    "llm_tokens_used",
    "llm_cost",
    "db_connections_active",
    "message_queue_size",
    "cache_hits",
    "cache_misses",
}


class Agent:
    """An agent that runs, over HTTP."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def say(self, text: str) -> int:
        """The status of the answer."""
        return (await self.http.post("/api/chat", json={"session_id": "s1", "message": text})).status_code

    async def turn(self, **switches: Any) -> None:
        """Turn switches."""
        (await self.http.post("/switches", json=switches)).raise_for_status()

    async def metrics(self) -> dict[str, float]:
        """Every sample, by its name and the values of its labels."""
        families = text_string_to_metric_families((await self.http.get("/metrics")).text)
        return {" ".join([one.name, *one.labels.values()]): one.value for family in families for one in family.samples}


@asynccontextmanager
async def running(folder: Path, load: float = 0) -> AsyncIterator[Agent]:
    app = create_app(folder / "agent.db", load, seed=1)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://agent.test") as http:
        yield Agent(http)


@pytest.mark.anyio
async def test_every_metric_is_there_from_the_start(tmp_path: Path) -> None:
    async with running(tmp_path) as agent:
        text = (await agent.http.get("/metrics")).text
        families = {one.name: one for one in text_string_to_metric_families(text)}
        assert families.keys() >= NAMES
        assert all(families[name].samples for name in NAMES)


@pytest.mark.anyio
async def test_an_answer_is_counted_paid_for_and_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as agent:
        assert [await agent.say("What does it cost?") for _ in range(2)] == [200, 200]
        told = await agent.metrics()
        assert told["conversations_total qualified"] + told["conversations_total unqualified"] == 2
        assert (told["cache_misses_total"], told["cache_hits_total"]) == (1, 1)
        assert told["llm_cost_total"] == pytest.approx(told["llm_tokens_used_total"] * 2e-6)
        assert (told["response_latency_seconds_count"], told["db_connections_active"], told["message_queue_size"]) == (2, 4, 0)
        assert told["leads_created_total"] == told["conversations_total qualified"] == 2 * told["conversion_rate"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error_type", "status"), [("validation", 422), ("llm", 502), ("api", 502), ("database", 503)], ids=ERROR_TYPES
)
async def test_a_failing_part_fails_its_messages_until_it_is_well_again(tmp_path: Path, error_type: str, status: int) -> None:
    async with running(tmp_path) as agent:
        await agent.turn(failing=error_type)
        answers = await asyncio.gather(*(agent.say(f"question {number}") for number in range(40)))
        told = await agent.metrics()
        failed = answers.count(status)
        assert failed == 40 if error_type != "api" else 0 < failed < 40  # only who is qualified comes to the CRM
        assert told[f"errors_total {error_type}"] == told["conversations_total abandoned"] == failed
        assert sum(told[f"errors_total {one}"] for one in ERROR_TYPES) == failed
        await agent.turn(failing=None)
        assert await agent.say("and now?") == 200


@pytest.mark.anyio
async def test_without_its_database_it_has_no_connection_and_keeps_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as agent:
        await agent.turn(databaseless=True)
        assert (await agent.metrics())["db_connections_active"] == 0
        assert await agent.say("hello") == 503
        await agent.turn(databaseless=False)
        assert await agent.say("hello") == 200
        assert (await agent.metrics())["db_connections_active"] == 4


@pytest.mark.anyio
async def test_an_expensive_model_costs_ten_times_as_much_for_a_token(tmp_path: Path) -> None:
    async with running(tmp_path) as agent:
        await agent.turn(expensive=True)
        await agent.say("hello")
        told = await agent.metrics()
        assert told["llm_cost_total"] == pytest.approx(told["llm_tokens_used_total"] * 2e-5)


@pytest.mark.anyio
async def test_a_slow_model_is_seen_in_the_latency_and_in_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as agent:
        await agent.turn(slow=True)
        asked = [asyncio.create_task(agent.say(f"question {number}")) for number in range(agent_service.agent.WORKERS + 3)]
        async with asyncio.timeout(5):
            while (await agent.metrics())["message_queue_size"] != 3:
                await asyncio.sleep(0.01)
        for one in asked:
            one.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"quick": true}', "quick: no such switch; there are slow, failing, databaseless, expensive"),
        ('{"slow": "yes"}', "slow: true or false"),
        ('{"slow": true, "failing": "crm"}', "failing: one of validation, api, llm, database, or null"),
        ("slow", "the body is not JSON"),
        ("[]", "the body is not a JSON object"),
    ],
)
async def test_a_wrong_switch_turns_nothing_and_says_why(tmp_path: Path, body: str, why: str) -> None:
    async with running(tmp_path) as agent:
        answer = await agent.http.post("/switches", content=body)
        assert (answer.status_code, answer.json()) == (400, {"error": why})
        assert not any((await agent.http.get("/switches")).json().values())


@pytest.mark.anyio
async def test_it_talks_to_itself(tmp_path: Path) -> None:
    async with running(tmp_path, load=200) as agent, asyncio.timeout(10):
        while (await agent.metrics())["response_latency_seconds_count"] < 20:
            await asyncio.sleep(0.02)


@pytest.mark.anyio
async def test_a_message_is_a_tree_of_spans_and_a_line_of_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(agent_service.agent, "_tracer", provider.get_tracer("agent-service"))
    telemetry.configure_logs()
    try:
        async with running(tmp_path) as agent:
            await agent.say("hello")
    finally:
        structlog.reset_defaults()
    found = {span.name: span for span in spans.get_finished_spans()}
    whole = found.pop("process_message")
    assert found.keys() - {"create_lead"} == {"validate_input", "call_llm", "save_to_db"}
    assert {span.parent.span_id for span in found.values() if span.parent} == {whole.context.span_id}
    line = json.loads(capsys.readouterr().out)
    assert list(line)[:6] == ["timestamp", "level", "message", "service", "trace_id", "span_id"]
    assert (line["message"], line["service"], line["session_id"]) == ("message processed", "agent-service", "s1")
    assert line["trace_id"] == trace.format_trace_id(whole.context.trace_id)
