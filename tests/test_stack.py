"""`make stack`: what it makes of the files in deploy/, and that nothing of it is left."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from processes import debian, wait_for
from tools.stack import files

DEPLOY = Path(__file__).parent.parent / "deploy"
RULES = """
groups:
  - name: g
    interval: 30s
    rules:
      - alert: A
        expr: sum by (x) (increase(cost{a="b"}[1h])) > 10 or rate(errors[5m]) > 1
        for: 2m
        annotations: {runbook_url: "https://ROUTER/runbooks/for/A"}
"""


@pytest.mark.parametrize(
    ("duration", "times", "then"), [("2m", 60, "2000ms"), ("1h30m", 10, "540000ms"), ("30s", 1, "30s"), ("1ms", 60, "1ms")]
)
def test_durations_are_that_much_shorter(duration: str, times: float, then: str) -> None:
    assert files.shorter(duration, times) == then


def test_a_rule_waits_less_and_means_the_same() -> None:
    [group] = yaml.safe_load(files.rules(RULES, "http://127.0.0.1:1", 10))["groups"]
    [rule] = group["rules"]
    assert (group["interval"], rule["for"]) == ("3000ms", "12000ms")
    assert rule["expr"] == 'sum by (x) ((increase(cost{a="b"}[360000ms]) * 10)) > 10 or rate(errors[30000ms]) > 1'
    assert rule["annotations"]["runbook_url"] == "http://127.0.0.1:1/runbooks/for/A"


@pytest.mark.parametrize("times", [1, 10, 60])
def test_prometheus_and_alertmanager_take_what_is_made_of_their_files(tmp_path: Path, times: float) -> None:
    for path in (DEPLOY / "prometheus").glob("*.rules.yml"):
        (tmp_path / path.name).write_text(files.rules(path.read_text(), "http://127.0.0.1:1", times))
    targets = dict.fromkeys(("prometheus", "alertmanager", "alertrouter", "agent-service"), "127.0.0.1:1")
    prometheus = files.prometheus((DEPLOY / "prometheus/prometheus.yml").read_text(), targets, times)
    (tmp_path / "prometheus.yml").write_text(prometheus)
    subprocess.run([debian("promtool"), "check", "config", str(tmp_path / "prometheus.yml")], check=True, timeout=60)
    given = (DEPLOY / "alertmanager/alertmanager.yml").read_text()
    text = files.alertmanager(given, "http://127.0.0.1:1", "http://127.0.0.1:2", str(tmp_path), times)
    (tmp_path / "alertmanager.yml").write_text(text)
    subprocess.run([debian("amtool"), "check-config", str(tmp_path / "alertmanager.yml")], check=True, timeout=60)
    assert "example" not in text, "nothing outside of this machine is asked"


def test_an_interrupted_start_leaves_no_process_and_no_folder() -> None:
    for program in ("prometheus", "prometheus-alertmanager"):
        debian(program)
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "tools.stack"]
        running = subprocess.Popen(command, env={"TMPDIR": home, "PATH": str(Path(debian("prometheus")).parent)})
        wait_for("PostgreSQL's start", lambda: list(Path(home).glob("stack-*/postgres/data")), 60)
        assert mentioning(home)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
        assert (list(Path(home).iterdir()), mentioning(home)) == ([], [])


def mentioning(folder: str) -> list[bytes]:
    """The command lines of processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        found += [line] if folder.encode() in line else []
    return found
