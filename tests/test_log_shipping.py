"""What collects the logs asks for what is in them."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from agent_service import telemetry
from alertrouter import logs

DEPLOY = Path(__file__).parent.parent / "deploy"
ALLOY = (DEPLOY / "alloy/config.alloy").read_text()
AGENT = DEPLOY / "cloudwatch/amazon-cloudwatch-agent.json"
AWSLOGS = yaml.safe_load((DEPLOY / "cloudwatch/compose.awslogs.yaml").read_text())
SERVICES = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """A line of each service, by its name."""
    logs.configure("json")
    structlog.get_logger().info("something happened", incident="06h0")
    telemetry.configure_logs()
    structlog.get_logger().info("something happened", session_id="s1")
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {line["service"]: line for line in found}


def block(name: str) -> set[str]:
    """The names in a block of Alloy's configuration that maps names to what they are taken from."""
    [inside] = re.findall(rf"{re.escape(name)} {{\s*\w+ = {{([^}}]*)}}", ALLOY)
    return set(re.findall(r"(\w+)\s*=", inside))


def test_labels_are_few_and_taken_from_what_every_line_has(lines: dict[str, dict[str, Any]]) -> None:
    assert lines.keys() == {"alertrouter", "agent-service"}
    assert block("stage.labels") == {"level", "service"}
    assert 'values = ["level", "service"]' in ALLOY
    for line in lines.values():
        assert line.keys() >= block("stage.labels") | {"timestamp", "message"}


def test_what_alloy_uses_it_has_read_from_the_line() -> None:
    used = block("stage.labels") | block("stage.structured_metadata") | set(re.findall(r'source = "(\w+)"', ALLOY))
    assert used == block("stage.json")


def test_alloy_s_components_are_all_there() -> None:
    made = {f"{kind}.{name}" for kind, name in re.findall(r'^([a-z.]+) "(\w+)" {', ALLOY, re.MULTILINE)}
    named = set(re.findall(r"\b((?:discovery|loki)\.[a-z]+(?:\.[a-z]+)*?\.\w+)\.(?:targets|output|receiver)\b", ALLOY))
    assert named <= made
    assert made - named == {"loki.source.docker.json"}, "a component that nobody reads from"
    assert ALLOY.count("{") == ALLOY.count("}")


def test_containers_that_write_json_are_the_ones_that_are_collected() -> None:
    assert {name for name, one in SERVICES.items() if one.get("labels") == {"logs": "json"}} == set(AWSLOGS["services"])


def test_timestamps_are_read_as_they_are_written(lines: dict[str, dict[str, Any]]) -> None:
    formats = {one["timestamp_format"] for one in collected()}
    assert len(formats) == 1
    for line in lines.values():
        found = datetime.strptime(line["timestamp"].removesuffix("Z"), formats.copy().pop()).replace(tzinfo=UTC)
        assert abs((datetime.now(UTC) - found).total_seconds()) < 600
        assert datetime.fromisoformat(line["timestamp"]).tzinfo


def test_both_ways_to_cloudwatch_use_the_same_groups() -> None:
    by_driver = {one["logging"]["options"]["awslogs-group"] for one in AWSLOGS["services"].values()}
    assert by_driver == {one["log_group_name"] for one in collected()}
    assert all(one["logging"]["options"]["mode"] == "non-blocking" for one in AWSLOGS["services"].values())


def test_queries_in_the_docs_ask_for_fields_that_there_are(lines: dict[str, dict[str, Any]]) -> None:
    text = (DEPLOY.parent / "docs/observability.md").read_text()
    code = "\n".join(re.findall(r"```(?:logql|sql)\n(.*?)```", text, re.DOTALL))
    fields = {"incident", "source", "target", "action", "outcome", "latency", "error_type", "tokens_used", "trace_id", "span_id"}
    named = set(re.findall(r"(?<![@\w|] )\b([a-z_]+) ?(?:=~|!=|=|in \[)", code)) | set(re.findall(r"unwrap (\w+)", code))
    assert named
    assert named <= fields | set().union(*lines.values())


def collected() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(AGENT.read_text())["logs"]["logs_collected"]["files"]["collect_list"]
    return found
