"""The whole stack: the sample service is broken, and real Prometheus and Alertmanager make a page of it, with its runbook."""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector import Collector, collecting, traced
from processes import debian, wait_for
from tools.stack.stack import Stack

DASHBOARDS = Path(__file__).parent.parent.parent / "deploy/grafana/dashboards"
TIMES = 60
"""Two minutes of a rule are two seconds here."""
PATIENCE = 90.0
SILENT_WHERE_NOTHING_HAPPENED = {"Refused and unreadable"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Where alertrouter sends its spans."""
    with collecting() as one:
        yield one


@pytest.fixture(scope="module")
def stack(collector: Collector) -> Iterator[Stack]:
    """Everything, at work."""
    for program in ("prometheus", "prometheus-alertmanager"):
        debian(program)
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        running = Stack(Path(folder), TIMES, usual_ports=False, env=traced(collector.url))
        try:
            until = time.monotonic() + 2 * PATIENCE
            assert running.start(lambda: time.monotonic() > until)
            yield running
        finally:
            running.end()


def turn(stack: Stack, **switches: Any) -> None:
    httpx.post(f"{stack.urls['agent-service']}/switches", json=switches).raise_for_status()


def pages(stack: Stack, alertname: str, status: str) -> list[dict[str, Any]]:
    """PagerDuty's alerts of that name and status."""
    alerts = httpx.get(f"{stack.urls['sandbox']}/alerts").json()["alerts"]
    return [one for one in alerts if one["status"] == status and alertname in one["event"]["payload"]["summary"]]


def test_a_flipped_switch_is_a_page_with_its_runbook_and_one_flipped_back_resolves_it(stack: Stack, collector: Collector) -> None:
    turn(stack, failing="llm")
    page = wait_for("the page", lambda: pages(stack, "HighErrorRate", "triggered"), PATIENCE)[0]
    details = page["event"]["payload"]["custom_details"]
    assert "kubectl logs -n agents -l app=agent" in json.dumps(details), "the runbook's command, with the alert's namespace"
    assert "engineering" in json.dumps(details), "whom the runbook escalates to"
    assert page["event"]["payload"]["severity"] == "critical"
    turn(stack, failing=None)
    wait_for("the resolve", lambda: page["dedup_key"] in keys(pages(stack, "HighErrorRate", "resolved")), PATIENCE)
    tree = wait_for("the spans", lambda: whole(collector, page["dedup_key"]), PATIENCE)
    sys.stdout.write("\n".join(["", *tree, ""]))
    assert [line.split(" ")[0] for line in tree[:1]] == ["POST"]
    assert any(line.startswith("   commit") for line in tree)
    [sent] = [line for line in tree if line.startswith("   PagerDuty trigger") and page["dedup_key"] in line]
    assert "outcome=sent" in sent


def keys(alerts: list[dict[str, Any]]) -> set[str]:
    return {one["dedup_key"] for one in alerts}


def whole(collector: Collector, incident: str) -> list[str]:
    """The tree of the trace in which an incident was paged."""
    for trace in {span.trace_id.hex() for span in collector.spans}:
        tree = collector.tree(trace)
        if any("PagerDuty trigger" in line and incident in line for line in tree) and tree[0].startswith("POST"):
            return tree
    return []


def test_prometheus_has_an_answer_to_every_query_of_the_dashboards(stack: Stack) -> None:
    with httpx.Client(base_url=stack.urls["prometheus"], timeout=30) as ask:
        wait_for("a scrape of everything", lambda: all_up(ask), PATIENCE)
        silent = {title for title, query in queries() if not series(ask, query)}
    assert silent <= SILENT_WHERE_NOTHING_HAPPENED


@pytest.mark.parametrize("name", ["alertrouter", "agent-service"])
def test_what_is_exported_has_the_names_that_prometheus_wants(stack: Stack, name: str) -> None:
    text = httpx.get(f"{stack.urls[name]}/metrics").text
    command = [debian("promtool"), "check", "metrics"]
    checked = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def queries() -> Iterator[tuple[str, str]]:
    """Each query with its panel's title, as Prometheus gets it when all is chosen."""
    for page in (json.loads(path.read_text()) for path in DASHBOARDS.glob("*.json")):
        for panel in [one for one in page["panels"] if one["type"] != "row"]:
            for target in panel["targets"]:
                query = re.sub(r"\$(source|target|instance)", ".*", target["expr"])
                yield panel["title"], query.replace("$__rate_interval", "1m")


def series(ask: httpx.Client, query: str) -> list[dict[str, Any]]:
    answer = ask.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", (query, answer)
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def all_up(ask: httpx.Client) -> bool:
    targets = ask.get("/api/v1/targets").json()["data"]["activeTargets"]
    return len(targets) == 4 and all(one["health"] == "up" for one in targets)
