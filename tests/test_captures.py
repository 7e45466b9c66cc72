"""Bodies of real Alertmanager processes, replayed through the running service: exactly these events go to PagerDuty."""

import json
from pathlib import Path
from typing import Any

import pytest

from serving import running

PAYLOADS = Path(__file__).parent / "payloads"


def bodies(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((PAYLOADS / f"{name}.json").read_text())["bodies"]
    return found


async def test_firing_repeat_partial_resolve_and_resolve_are_one_page_and_its_resolve(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        seen = []
        for name in ("01_firing_5_alerts", "02_repeated_firing", "04_partially_resolved", "06_resolved"):
            for body in bodies(name):
                answer = await router.post(body)
                assert answer.status_code == 200
                seen.append(answer.json()["incidents"])
            router.clock.pass_(seconds=5)
        [incident] = seen[0]
        assert seen == [[incident]] * 4
        assert [(one["event_action"], one["dedup_key"]) for one in await router.settled()] == [("trigger", incident)]
        router.clock.pass_(seconds=60)
        events = await router.settled()
        assert [(one["event_action"], one["dedup_key"]) for one in events] == [("trigger", incident), ("resolve", incident)]
        payload = events[0]["payload"]
        assert payload["severity"] == "critical"
        assert payload["summary"].startswith("[CRITICAL] KubePodCrashLooping")
        assert payload["summary"].endswith("(+4 more)")
        assert events[0]["client_url"] == f"http://router.test/incidents/{incident}"
        story = (await router.http.get(f"/api/v1/incidents/{incident}")).json()
        assert story["status"] == "resolved"
        assert story["notifications"] == 4
        assert story["alerts"] == {"firing": 0, "resolved": 6}


async def test_a_truncated_body_pages_and_its_resolve_closes_nothing(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        [body] = bodies("08_truncated_max_alerts_3")
        [incident] = (await router.post(body)).json()["incidents"]
        await router.settled()
        for alert in body["alerts"]:
            alert |= {"status": "resolved", "endsAt": "2026-11-23T09:00:00Z"}
        assert (await router.post(body | {"status": "resolved"})).json() == {"incidents": [incident]}
        router.clock.pass_(minutes=5)
        assert [one["event_action"] for one in await router.settled()] == ["trigger"]
        story = (await router.http.get(f"/api/v1/incidents/{incident}")).json()
        assert (story["status"], story["alerts"]) == ("triggered", {"firing": 0, "resolved": 3})
        await router.post(body | {"status": "resolved", "truncatedAlerts": 0})
        router.clock.pass_(seconds=60)
        assert [one["event_action"] for one in await router.settled()] == ["trigger", "resolve"]


@pytest.mark.parametrize("source", ["", "/", "/eu", "/eu/"])
async def test_the_same_body_from_another_source_is_another_incident(source: str, database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        [body] = bodies("01_firing_5_alerts")
        [first] = (await router.post(body, "/webhooks/alertmanager/us")).json()["incidents"]
        [other] = (await router.post(body, f"/webhooks/alertmanager{source}")).json()["incidents"]
        assert first != other
        found = (await router.http.get(f"/api/v1/incidents/{other}")).json()
        assert found["source"] == (source.strip("/") or "default")
