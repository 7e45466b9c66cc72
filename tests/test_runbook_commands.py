"""`alertrouter runbooks ...` from the terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alertrouter.runbooks.lint import CODES

RUNBOOK = """# Serviço

### HighErrorRate
1. `kubectl logs -n {{ labels.namespace }} <pod>`

**Escalação**: Se não resolver em 15min, escalar para a engenharia
"""
RULES = """groups:
  - name: g
    rules:
      - alert: HighErrorRate
        expr: sum by (namespace) (x) > 0.01
        labels: {severity: critical}
        annotations:
          description: Errors in {{ $labels.namespace }} are at {{ $value | humanize }}.
"""
ROUTING = (
    "targets:\n  oncall: {routing_key_env: NOT_IN_CI}\n  engineering: {routing_key_file: /not/in/ci, aliases: [engenharia]}\n"
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder as a team's repository is: runbooks, rules, a routing file whose keys are not there."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "servico.md").write_text(RUNBOOK)
    (tmp_path / "rules" / "deep").mkdir(parents=True)
    (tmp_path / "rules" / "deep" / "a.yml").write_text(RULES)
    (tmp_path / "alertrouter.yml").write_text(ROUTING)
    return tmp_path


def run(place: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ALERTROUTER_", "PAGERDUTY_"))}
    env |= {"ALERTROUTER_CONFIG": "alertrouter.yml", "COLUMNS": "120", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "alertrouter.cli", "runbooks", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=env, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_check_says_that_all_is_well_without_the_secrets(place: Path) -> None:
    assert run(place, "check", "--rules", "rules/**/*.yml") == (0, "", "all well: 1 runbook, 1 rule\n")
    assert run(place, "check", "--rules", "rules/deep/a.yml", "rules/deep/a.yml")[0] == 0  # as a shell expands a glob
    assert run(place, "check") == (0, "", "all well: 1 runbook\n")


def broken(place: Path) -> None:
    (place / "runbooks" / "latin.md").write_bytes(b"# x\n\xff")
    (place / "runbooks" / "b.md").write_text(
        "### DiskFull\n`{{ labels.pod }}`\n**Escalation**: whenever, to whom it may concern\n"
        "### HighErrorRate\n`{{ labels.pod }}`\n\n### Empty\n\n### Linked\n[x](gone.md)\n**Escalation**: Immediate to nowhere\n"
        "<!-- alertrouter: ignore typo -->\n"
    )
    (place / "rules" / "deep" / "b.yml").write_text(
        "groups:\n- rules:\n  - alert: Unwritten\n    expr: x\n    annotations: {runbook_url: gone.md}\n"
    )
    (place / "rules" / "deep" / "c.yml").write_text("groups: [")


def test_check_lists_every_code_of_a_broken_example_by_file_and_line_and_ends_with_1(place: Path) -> None:
    broken(place)
    code, said, told = run(place, "check", "--rules", "rules/**/*.yml")
    assert code == 1
    lines = said.splitlines()
    assert {line.rpartition("[")[2].removesuffix("]") for line in lines} == set(CODES)
    assert "runbooks/latin.md:2: error: not UTF-8 [unreadable-file]" in lines
    assert "rules/deep/b.yml:3: error: no runbook section names Unwritten [rule-without-section]" in lines
    assert "runbooks/servico.md:3: error: b.md:4 asks for the same alert, and counts [duplicate-section]" in lines
    assert told.startswith("8 errors, ")


def test_check_speaks_json_and_github(place: Path) -> None:
    broken(place)
    code, said, _ = run(place, "check", "--format", "json")
    found = json.loads(said)
    assert code == 1
    assert {"path": "runbooks/latin.md", "line": 2, "level": "error", "code": "unreadable-file", "message": "not UTF-8"} in found
    _, said, _ = run(place, "check", "--format", "github")
    assert "::error file=runbooks/latin.md,line=2,title=unreadable-file::not UTF-8" in said.splitlines()


def test_codes_are_switched_off_in_the_routing_file(place: Path) -> None:
    (place / "runbooks" / "b.md").write_text("# B\n[x](gone.md)\n")
    assert run(place, "check")[0] == 1
    (place / "alertrouter.yml").write_text(ROUTING + "lint: {ignore: [dead-link]}\n")
    assert run(place, "check")[0] == 0
    (place / "alertrouter.yml").write_text(ROUTING + "lint: {ignore: [dead-links]}\n")
    assert run(place, "check")[2] == "alertrouter: alertrouter.yml:4: the lint has no code dead-links\n"


def test_a_warning_alone_does_not_fail(place: Path) -> None:
    (place / "runbooks" / "b.md").write_text("# B\n")
    assert run(place, "check") == (
        0,
        "runbooks/b.md:1: warning: B has no text [empty-section]\n",
        "0 errors, 1 warning: 2 runbooks\n",
    )


def test_a_file_of_rules_that_is_not_there_is_an_error(place: Path) -> None:
    code, said, _ = run(place, "check", "--rules", "gone/*.yml", "rules/deep/a.yml")
    assert (code, said) == (1, "gone/*.yml:1: error: it cannot be read: No such file or directory [unreadable-rules]\n")


def test_show_gives_the_section_with_commands_filled_in_and_says_why(place: Path) -> None:
    code, said, _ = run(place, "show", "higherrorrate", "-l", "namespace=a b; rm -rf /")
    assert code == 0
    assert said.startswith("The heading at servico.md:3 names the alert.")
    assert "kubectl logs -n 'a b; rm -rf /' <pod>" in said
    assert "Escalation: engenharia in 15m unless resolved (servico.md:6)." in said
    assert "To be filled in by hand: <pod>" in said


def test_show_raw_is_markdown_and_nothing_else(place: Path) -> None:
    assert run(place, "show", "HighErrorRate", "--raw", "-l", "namespace=prod") == (
        0,
        "### HighErrorRate\n\n1. `kubectl logs -n prod <pod>`\n\n"
        "**Escalação**: Se não resolver em 15min, escalar para a engenharia\n",
        "",
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["HighErorRate"], "no section names HighErorRate; is it HighErrorRate?"),
        (["Other"], "no section names Other; `alertrouter runbooks new Other` writes a skeleton"),
        (["HighErrorRate", "-l", "namespace"], "-l namespace: a label is name=value"),
    ],
)
def test_show_of_what_is_not_there_says_what_to_do(place: Path, arguments: list[str], told: str) -> None:
    assert run(place, "show", *arguments) == (1, "", f"alertrouter: {told}\n")


def test_new_writes_a_skeleton_from_the_rule_that_lints_clean(place: Path) -> None:
    (place / "runbooks" / "servico.md").unlink()
    assert run(place, "new", "higherrorrate", "--rules", "rules/**/*.yml") == (0, "runbooks/HighErrorRate.md\n", "")
    text = (place / "runbooks" / "HighErrorRate.md").read_text()
    assert text.startswith("# HighErrorRate\n\nErrors in `<namespace>` are at ….\n\n**Severity**: critical\n")
    assert "`{{ labels.namespace }}`" in text
    assert "```promql\nsum by (namespace) (x) > 0.01\n```" in text
    assert "If not resolved in 15 min, escalate to engineering" in text
    assert run(place, "check", "--rules", "rules/**/*.yml") == (0, "", "all well: 1 runbook, 1 rule\n")


def test_new_without_a_rule_is_a_skeleton_too_and_can_be_printed(place: Path) -> None:
    code, said, _ = run(place, "new", "DiskFull", "--stdout")
    assert (code, said.splitlines()[0]) == (0, "# DiskFull")
    assert not (place / "runbooks" / "DiskFull.md").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["HighErrorRate"], "runbooks/servico.md:3: there is a section for HighErrorRate already"),
        (["../x"], "../x is no name for a file"),
        (["Other", "--rules", "rules/deep/a.yml"], "no rule is named Other in rules/deep/a.yml"),
    ],
)
def test_new_never_writes_over_or_beside(place: Path, arguments: list[str], told: str) -> None:
    assert run(place, "new", *arguments) == (1, "", f"alertrouter: {told}\n")
    assert [file.name for file in (place / "runbooks").iterdir()] == ["servico.md"]
