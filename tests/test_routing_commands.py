"""`alertrouter routes test` and `config schema`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alertrouter.routing_model import File, RouteModel, TargetModel

CONFIG = """targets:
  oncall: {routing_key_env: NOT_HERE}
  dba: {routing_key_env: NOT_HERE, aliases: [DBA]}
routes:
  - match: ['alertname="Watchdog"']
    heartbeat: 10m
  - match: ['team=~"db|storage"', 'severity!="info"']
    target: dba
    incident_per: alert
    resolve_hold: 0s
default_target: oncall
"""
RUNBOOK = "# DiskFull\n\n**Escalation**: If not resolved in 15 min, escalate to DBA\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "disk.md").write_text(RUNBOOK)
    (tmp_path / "alertrouter.yml").write_text(CONFIG)
    return tmp_path


def run(place: Path, *arguments: str) -> tuple[int, str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ALERTROUTER_", "PAGERDUTY_"))}
    command = [sys.executable, "-m", "alertrouter.cli", *arguments]
    env["ALERTROUTER_CONFIG"] = "alertrouter.yml"
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=env, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_routes_test_says_which_route_and_why_not_those_before_it(place: Path) -> None:
    assert run(place, "routes", "test", "alertname=DiskFull", "team=db", "severity=critical") == (
        0,
        """not        alertrouter.yml:5: alertname="Watchdog" does not match 'DiskFull'
route      alertrouter.yml:7
target     dba, an incident for each alert
severity   critical
runbook    disk.md:1 The heading at disk.md:1 names the alert.
policy     dba in 15m unless resolved (from disk.md:3)
resolve    held back for 0s
""",
        "",
    )


def test_routes_test_of_what_no_route_matches_and_of_a_heartbeat(place: Path) -> None:
    _, said, _ = run(place, "routes", "test", "alertname=Other")
    lines = said.splitlines()
    assert lines[1] == """not        alertrouter.yml:7: team=~"db|storage" does not match ''"""
    assert lines[2:5] == [
        "route      no route matches: everything else goes to the default target",
        "target     oncall, an incident for each group",
        "severity   error",
    ]
    assert run(place, "routes", "test", "alertname=Watchdog")[1].splitlines()[-1] == (
        "heartbeat  oncall is paged when it does not come for 10m"
    )


def test_routes_test_tells_programs_the_same(place: Path) -> None:
    told = json.loads(run(place, "routes", "test", "--json", "alertname=DiskFull", "team=db")[1])
    assert told["passed_over"] == ["alertrouter.yml:5: alertname=\"Watchdog\" does not match 'DiskFull'"]
    assert (told["route"], told["target"]) == ("alertrouter.yml:7", "dba, an incident for each alert")


def test_routes_test_wants_labels(place: Path) -> None:
    assert run(place, "routes", "test", "severity")[::2] == (1, "alertrouter: severity: a label is name=value\n")


def test_the_schema_has_every_option_and_nothing_else(place: Path) -> None:
    code, said, _ = run(place, "config", "schema")
    schema: dict[str, Any] = json.loads(said)
    assert code == 0
    assert schema["properties"].keys() == File.model_fields.keys()
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["RouteModel"]["properties"].keys() == RouteModel.model_fields.keys()
    target = schema["$defs"]["TargetModel"]
    assert target["properties"].keys() == TargetModel.model_fields.keys()
    assert [one["required"] for one in target["oneOf"]] == [["routing_key"], ["routing_key_env"], ["routing_key_file"]]


@pytest.mark.parametrize(("text", "fits"), [("90s", True), ("1h30m", True), ("2d", True), ("soon", False), ("10", False)])
def test_the_schemas_durations_are_ours(place: Path, text: str, fits: bool) -> None:
    schema = json.loads(run(place, "config", "schema")[1])
    hold = schema["$defs"]["RouteModel"]["properties"]["resolve_hold"]["anyOf"][0]
    assert (re.search(hold["pattern"], text) is not None) is fits
