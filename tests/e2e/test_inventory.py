"""Open incidents against real Alertmanager processes: resolves that never came, silences, and a fresh start."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from alertrouter.inventory import GONE, Inventory
from alertrouter.routing import Routing
from processes import Process, debian, ending, free_port, notification, wait_for
from serving import TARGETS, Running, running

CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


class Alertmanager:
    """An Alertmanager process that sends nothing."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        (folder / "alertmanager.yml").write_text(CONFIG)
        arguments = [
            debian("prometheus-alertmanager"),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        self.process = Process(arguments, {}, folder / "alertmanager.log")
        wait_for("Alertmanager", lambda: httpx.get(f"{self.url}/-/ready").is_success)

    def post(self, path: str, body: Any) -> None:
        """Post to its API."""
        httpx.post(
            f"{self.url}/api/v2/{path}", content=json.dumps(body), headers={"Content-Type": "application/json"}
        ).raise_for_status()

    def hold(self, alert: dict[str, Any]) -> None:
        """Let it hold this alert."""
        ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        self.post("alerts", [{"labels": alert["labels"], "startsAt": alert["startsAt"], "endsAt": ends}])
        wait_for("the alert", lambda: httpx.get(f"{self.url}/api/v2/alerts").json())


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    process = Alertmanager(tmp_path)
    with ending(process):
        yield process


async def look(router: Running, *urls: str) -> None:
    routing = Routing(TARGETS, (), "oncall", alertmanagers={"default": urls})
    await router.rotate(routing)
    service = router.service
    async with httpx.AsyncClient() as http:
        await Inventory(service.database, service.writer, lambda: service.playbook).look(http)


async def opened(router: Running) -> tuple[str, dict[str, Any]]:
    body = notification()
    [incident] = (await router.post(body)).json()["incidents"]
    await router.settled()
    router.clock.now = datetime.now(UTC)  # Alertmanager's own clock is the world's
    return str(incident), body["alerts"][0]


async def shown(router: Running, incident: str) -> dict[str, Any]:
    found: dict[str, Any] = (await router.http.get(f"/api/v1/incidents/{incident}")).json()
    return found


async def test_an_incident_whose_resolve_never_came_is_closed_with_the_reason(
    database_url: str, tmp_path: Path, alertmanager: Alertmanager
) -> None:
    async with running(database_url, tmp_path) as router:
        incident, alert = await opened(router)
        alertmanager.hold(alert | {"labels": alert["labels"] | {"pod": "another"}})
        router.clock.pass_(minutes=11)  # it is up for ten
        await look(router, alertmanager.url)
        router.clock.pass_(minutes=4)
        await look(router, alertmanager.url)
        assert (await shown(router, incident))["status"] == "triggered"
        router.clock.pass_(minutes=1)
        await look(router, alertmanager.url)
        found = await shown(router, incident)
        assert (found["status"], found["resolve_reason"], found["alerts"]) == ("resolved", GONE, {"firing": 0, "resolved": 1})
        assert [one["event_action"] for one in await router.settled()][-1] == "resolve"


async def test_what_alertmanager_holds_stays_open_and_a_silence_is_shown(
    url: str, tmp_path: Path, alertmanager: Alertmanager
) -> None:
    async with running(url, tmp_path) as router:
        incident, alert = await opened(router)
        alertmanager.hold(alert)
        until = datetime.now(UTC) + timedelta(hours=1)
        matchers = [{"name": "alertname", "value": "HighErrorRate", "isRegex": False, "isEqual": True}]
        times = {"startsAt": datetime.now(UTC).isoformat(), "endsAt": until.isoformat()}
        alertmanager.post("silences", {"matchers": matchers, "createdBy": "ana", "comment": "known", **times})
        wait_for("the silence", lambda: httpx.get(f"{alertmanager.url}/api/v2/alerts").json()[0]["status"]["silencedBy"])
        for _ in range(3):
            router.clock.pass_(minutes=11)
            await look(router, alertmanager.url)
        assert (await shown(router, incident))["status"] == "triggered"
        page = (await router.http.get(f"/incidents/{incident}")).text
        assert "Silenced in Alertmanager by ana until" in page
        assert "/#/silences/new?filter=" in page
        assert "silenced by ana until" in (await router.http.get("/")).text


async def test_a_fresh_alertmanager_and_one_that_cannot_be_asked_close_nothing(
    url: str, tmp_path: Path, alertmanager: Alertmanager
) -> None:
    async with running(url, tmp_path) as router:
        incident, _ = await opened(router)
        for _ in range(2):
            router.clock.pass_(minutes=4)  # it is up for less than ten minutes
            await look(router, alertmanager.url)
        router.clock.pass_(minutes=60)
        for _ in range(2):
            await look(router, alertmanager.url, f"http://127.0.0.1:{free_port()}")
            router.clock.pass_(minutes=6)
        assert (await shown(router, incident))["status"] == "triggered"
