"""Senders of Alertmanager's shape: Grafana-managed alerting, and the Alertmanagers of vmalert and Mimir."""

import json
from pathlib import Path

import pytest

from serving import running

PAYLOADS = Path(__file__).parent / "payloads" / "composed"


@pytest.mark.parametrize("sender", ["grafana", "vmalert", "mimir"])
async def test_a_body_is_taken_as_it_is(sender: str, database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        answer = await router.post((PAYLOADS / f"{sender}.json").read_bytes())
        assert answer.status_code == 200
        [event] = await router.settled()
        assert event["payload"]["severity"] == "critical"
        assert "kubectl logs -n prod deploy/api" in event["payload"]["custom_details"]["3 First steps"]


async def test_what_only_grafana_tells_becomes_links_and_a_picture(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        body = json.loads((PAYLOADS / "grafana.json").read_text())
        [incident] = (await router.post(body)).json()["incidents"]
        [event] = await router.settled()
        links = {link["text"]: link["href"] for link in event["links"]}
        [alert, other] = body["alerts"]
        assert links["Dashboard"] == alert["dashboardURL"]
        assert links["Panel"] == alert["panelURL"]
        assert links["Silence it"] == alert["silenceURL"]
        assert event["images"] == [{"src": alert["imageURL"], "alt": "The panel", "href": alert["panelURL"]}]
        page = (await router.http.get(f"/incidents/{incident}")).text
        assert 'href="https://grafana.example/d/dash?orgId=1"' in page
        members = (await router.http.get(f"/api/v1/incidents/{incident}")).json()["members"]
        assert [one["fingerprint"] for one in members] == [alert["fingerprint"], other["fingerprint"]]
        assert members[0]["annotations"]["value"] == "0.042"
        assert members[1]["annotations"] == {"value": "1"}


@pytest.mark.parametrize(
    "bad", ["javascript:alert(1)", "http://grafana.example/x.png", "x" * 10_000, "https://[x", 7, None, ["x"]]
)
async def test_an_address_that_is_none_costs_no_page(url: str, tmp_path: Path, bad: object) -> None:
    async with running(url, tmp_path) as router:
        body = json.loads((PAYLOADS / "grafana.json").read_text())
        for name in ("dashboardURL", "panelURL", "silenceURL", "imageURL"):
            body["alerts"][0][name] = bad
        body["alerts"][0]["values"] = {"A": "NaN"}
        assert (await router.post(body)).status_code == 200
        [event] = await router.settled()
        assert "images" not in event
