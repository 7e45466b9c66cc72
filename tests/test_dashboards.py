"""The Grafana dashboards in deploy/: their queries parse, and ask for what the two services really export."""

import json
import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from agent_service.app import create_app
from alertrouter.runbooks.parse import parse
from processes import debian, notification
from serving import running

ROOT = Path(__file__).parent.parent
GRAFANA = ROOT / "deploy/grafana"
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.name: json.loads(path.read_text()) for path in (GRAFANA / "dashboards").glob("*.json")
}
OF_PROMETHEUS = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "severity", "team"}}
FROM_SCRAPING = {"job", "instance", "namespace"}
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset"}
SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)\{([^}]*)\}")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right) ?\(([^)]*)\)")
VALUES = re.compile(r"label_values\((\w+), (\w+)\)")
each = pytest.mark.parametrize("name", DASHBOARDS)


def panels(name: str) -> list[dict[str, Any]]:
    return [one for one in DASHBOARDS[name]["panels"] if one["type"] != "row"]


def variables(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DASHBOARDS[name]["templating"]["list"]
    return found


def queries(name: str) -> Iterator[str]:
    """Every query of a page, as Prometheus gets it when all is chosen."""
    texts = [target["expr"] for panel in panels(name) for target in panel["targets"]]
    texts += [one["expr"] for one in DASHBOARDS[name]["annotations"]["list"] if "expr" in one]
    for text in texts:
        asked = text.replace("$__rate_interval", "1m")
        for one in variables(name):
            asked = asked.replace(f"${one['name']}", one.get("allValue", ""))
        yield asked


def selectors(query: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics that a query names, with the labels that it matches and groups by."""
    bare = re.sub(r'"[^"]*"', '""', query)
    grouped = {label.strip() for labels in GROUPING.findall(bare) for label in labels.split(",") if label.strip()}
    for name, labels in SELECTOR.findall(bare):
        yield name, set(re.findall(r"(\w+) ?(?:=|!)", labels))
    rest = re.sub(r"\[[^]]*\]", "", GROUPING.sub("", SELECTOR.sub("", bare)))
    for name in re.findall(r"\b[A-Za-z_:][\w:]*\b(?! *\()", rest):
        if name not in WORDS:
            yield name, set()
    yield "", grouped


async def exported(url: str, folder: Path) -> dict[str, set[str]]:
    """Samples of both services' /metrics, after something of all has happened: their names and labels."""
    async with running(url, folder) as router:
        await router.post(notification("HighErrorRate"))
        await router.settled()
        await router.post(b"no JSON")
        await router.post(notification("HighErrorRate", firing=False))
        router.clock.pass_(minutes=2)
        await router.settled()
        texts = [(await router.http.get("/metrics")).text]
    app = create_app(folder / "agent.db")
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        texts.append((await http.get("http://agent.test/metrics")).text)
    found: dict[str, set[str]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_what_a_query_names_is_read_from_it() -> None:
    query = 'histogram_quantile(0.9, sum by (le, x) (rate(a_bucket{b="c d", e=~"f"}[5m]))) / on (g) h > 1 and time() - i'
    assert list(selectors(query)) == [("a_bucket", {"b", "e"}), ("h", set()), ("i", set()), ("", {"le", "x", "g"})]


@pytest.mark.anyio
async def test_the_queries_name_metrics_and_labels_that_are_exported(url: str, tmp_path: Path) -> None:
    there = await exported(url, tmp_path) | OF_PROMETHEUS
    for name in DASHBOARDS:
        for query in queries(name):
            asked = list(selectors(query))
            assert {metric for metric, _ in asked} - {""} <= there.keys(), query
            carried = set.union(*(there[metric] for metric, _ in asked if metric)) | FROM_SCRAPING
            for metric, labels in asked:
                assert labels <= (there[metric] | FROM_SCRAPING if metric else carried), (metric, query)
        for variable in variables(name):
            for metric, label in VALUES.findall(variable.get("definition", "")):
                assert label in there[metric] | FROM_SCRAPING, variable["name"]


@each
def test_prometheus_can_read_every_query(name: str, tmp_path: Path) -> None:
    rules = [{"record": f"a:{number}", "expr": query} for number, query in enumerate(queries(name))]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    checked = subprocess.run(
        [debian("promtool"), "check", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, f"SUCCESS: {len(rules)} rules found" in checked.stdout) == (0, True), checked.stderr


@each
def test_every_panel_says_what_it_shows_and_in_which_unit(name: str) -> None:
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"], panel["title"]
        assert panel["targets"], panel["title"]


@each
def test_panels_have_their_own_id_and_place(name: str) -> None:
    everything = DASHBOARDS[name]["panels"]
    assert len({one["id"] for one in everything}) == len(everything)
    cells = [
        (x, y)
        for place in (one["gridPos"] for one in everything)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells), "panels overlap"
    assert max(x for x, _ in cells) < 24
    assert all(0 <= after["gridPos"]["y"] - before["gridPos"]["y"] <= 8 for before, after in pairwise(everything))


@each
def test_every_data_source_is_one_that_is_provisioned(name: str) -> None:
    known = {one["uid"]: one["type"] for one in provisioned()["datasources"]} | {"-- Grafana --": "grafana"}
    used = [
        one for panel in panels(name) for one in (panel["datasource"], *(target["datasource"] for target in panel["targets"]))
    ]
    used += [one["datasource"] for one in DASHBOARDS[name]["annotations"]["list"]]
    used += [one["datasource"] for one in variables(name) if one["type"] == "query"]
    assert all(known.get(one["uid"]) == one["type"] for one in used)


def test_data_sources_that_lead_to_each_other_exist() -> None:
    text = (GRAFANA / "provisioning/datasources/datasources.yaml").read_text()
    assert set(re.findall(r"datasourceUid: (\w+)", text)) <= {one["uid"] for one in provisioned()["datasources"]}


@each
def test_every_link_to_a_runbook_leads_to_a_section(name: str) -> None:
    titles = {
        section.title for path in (ROOT / "runbooks").glob("*.md") for section in parse(path.name, path.read_text()).sections
    }
    links = [link["url"] for panel in panels(name) for link in panel["links"]]
    assert len(links) >= 8
    assert {link.removeprefix("${router}/runbooks/for/") for link in links} <= titles


@each
def test_episodes_are_marked_and_the_router_is_a_variable(name: str) -> None:
    assert [one for one in DASHBOARDS[name]["annotations"]["list"] if "expr" in one]
    assert "router" in {one["name"] for one in variables(name)}


def provisioned() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((GRAFANA / "provisioning/datasources/datasources.yaml").read_text())
    return found
