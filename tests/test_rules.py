"""The rules in deploy/: they fire and stay silent as they should, name what is exported, and have their sections."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY, generate_latest

import alertrouter.service  # noqa: F401 - its modules bring their metrics with them
from processes import debian

ROOT = Path(__file__).parent.parent
PROMETHEUS = ROOT / "deploy/prometheus"
OURS = PROMETHEUS / "alertrouter.rules.yml"


def run(*command: str, **env: str) -> tuple[int, str]:
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in (PROMETHEUS / "tests").glob("*.yml")))
def test_the_rules_fire_and_stay_silent_as_their_tests_say(name: str) -> None:
    code, said = run(debian("promtool"), "test", "rules", str(PROMETHEUS / "tests" / name))
    assert (code, said.count("SUCCESS")) == (0, 1), said


def test_our_metrics_have_the_names_that_prometheus_wants() -> None:
    exported = generate_latest(REGISTRY).decode()
    ours = "\n".join(line for line in exported.splitlines() if "alertrouter_" in line) + "\n"
    checked = subprocess.run(
        [debian("promtool"), "check", "metrics"], input=ours, capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_the_rules_about_ourselves_name_only_what_is_exported() -> None:
    exported = {sample.name for family in REGISTRY.collect() for sample in family.samples} | {
        one.name for one in REGISTRY.collect()
    }
    for rule in _rules():
        for name in re.findall(r"alertrouter_[a-z_]+", rule["expr"]):
            assert {name, re.sub(r"_(total|bucket)$", "", name)} & exported, (rule["alert"], name)


def test_every_rule_has_a_section_that_its_address_leads_to() -> None:
    rules = [path.relative_to(ROOT).as_posix() for path in PROMETHEUS.glob("*.rules.yml")]
    env = {"ALERTROUTER_RUNBOOKS_DIR": "runbooks", "ALERTROUTER_CONFIG": "deploy/alertrouter.yml"}
    code, said = run(sys.executable, "-m", "alertrouter.cli", "runbooks", "check", *(f"--rules={rule}" for rule in rules), **env)
    assert (code, "all well" in said) == (0, True), said
    assert all(rule["annotations"]["runbook_url"].endswith(f"/runbooks/for/{rule['alert']}") for rule in _rules())


def test_alertmanager_takes_its_configuration() -> None:
    code, said = run(debian("amtool"), "check-config", "deploy/alertmanager/alertmanager.yml")
    assert code == 0, said


def _rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(OURS.read_text())["groups"][0]["rules"]
    return found
