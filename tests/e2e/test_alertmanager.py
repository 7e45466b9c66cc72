"""Real Alertmanager processes post to a real alertrouter, which pages the sandbox: one page per episode, and its resolve."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from processes import Process, Router, Sandbox, debian, ending, free_port, wait_for

CONFIG = """
route:
  receiver: alertrouter
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 1s
  repeat_interval: 1s
receivers:
  - name: alertrouter
    webhook_configs:
      - url: http://127.0.0.1:{port}/webhooks/alertmanager
        send_resolved: true
"""


class Alertmanager:
    """An Alertmanager process, alone or in a cluster."""

    def __init__(self, folder: Path, router_port: int, cluster_port: int, peer_port: int | None = None) -> None:
        program = debian("prometheus-alertmanager")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        home = folder / f"alertmanager-{port}"
        home.mkdir()
        (home / "alertmanager.yml").write_text(CONFIG.format(port=router_port))
        arguments = [
            program,
            f"--config.file={home / 'alertmanager.yml'}",
            f"--storage.path={home}",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--cluster.listen-address=127.0.0.1:{cluster_port}",
            "--cluster.peer-timeout=500ms",
            "--cluster.settle-timeout=1s",
            "--cluster.gossip-interval=50ms",
        ]
        arguments += [f"--cluster.peer=127.0.0.1:{peer_port}"] if peer_port else []
        self.process = Process(arguments, {}, home / "log")

    def is_ready(self) -> bool:
        """Whether it takes alerts."""
        return httpx.get(f"{self.url}/-/ready").is_success

    def put(self, *pods: str, firing: bool = True) -> None:
        """What Prometheus would send: these alerts fire, or have just ended."""
        now = datetime.now(UTC)
        ends = now + timedelta(minutes=5) if firing else now
        alerts = [
            {
                "labels": {"alertname": "HighErrorRate", "severity": "critical", "namespace": "prod", "pod": pod},
                "annotations": {"summary": "Errors above 1%"},
                "startsAt": "2026-01-01T00:00:00Z",
                "endsAt": ends.isoformat(),
                "generatorURL": "http://127.0.0.1:9090/graph",
            }
            for pod in pods
        ]
        answer = httpx.post(f"{self.url}/api/v2/alerts", content=json.dumps(alerts), headers={"Content-Type": "application/json"})
        answer.raise_for_status()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A PagerDuty to page."""
    debian("prometheus-alertmanager")
    running = Sandbox(tmp_path)
    with ending(running):
        yield running


@pytest.fixture
def router(tmp_path: Path, sandbox: Sandbox) -> Iterator[Router]:
    """A service on SQLite whose escalation stays out of the way."""
    running = Router(tmp_path, sandbox.url, f"sqlite:///{tmp_path / 'e2e.db'}", ALERTROUTER_RESOLVE_HOLD="3s")
    with ending(running):
        yield running


def own_triggers(sandbox: Sandbox) -> list[str]:
    """The keys of the pages, those of escalation steps left out."""
    return [key for action, key in sandbox.actions() if action == "trigger" and "/e" not in key]


def test_one_alertmanager_through_group_repeat_new_member_partial_resolve_and_resolve(
    tmp_path: Path, router: Router, sandbox: Sandbox
) -> None:
    sender = Alertmanager(tmp_path, router.port, free_port())
    with ending(sender):
        wait_for("Alertmanager", sender.is_ready)
        sender.put("a", "b")
        [page] = wait_for("the page", sandbox.alerts)
        incident = page["dedup_key"]
        wait_for("a repeat", lambda: router.incident(incident)["notifications"] >= 2)
        sender.put("a", "b", "c")
        wait_for("the new member", lambda: router.incident(incident)["alerts"]["firing"] == 3)
        sender.put("a", firing=False)
        sender.put("b", "c")
        wait_for("the partial resolve", lambda: router.incident(incident)["alerts"] == {"firing": 2, "resolved": 1})
        assert router.incident(incident)["status"] == "triggered"
        sender.put("b", "c", firing=False)
        wait_for("the resolve", lambda: router.incident(incident)["status"] == "resolved", 30)
        wait_for("PagerDuty's resolve", lambda: all(one["status"] == "resolved" for one in sandbox.alerts()))
        assert own_triggers(sandbox) == [incident]
        assert "kubectl logs -n prod" in json.dumps(sandbox.alerts()[-1]["event"])


def test_a_new_episode_is_a_new_page_that_names_the_one_before(tmp_path: Path, router: Router, sandbox: Sandbox) -> None:
    sender = Alertmanager(tmp_path, router.port, free_port())
    with ending(sender):
        wait_for("Alertmanager", sender.is_ready)
        sender.put("a")
        [page] = wait_for("the page", sandbox.alerts)
        first = page["dedup_key"]
        sender.put("a", firing=False)
        wait_for("the resolve", lambda: router.incident(first)["status"] == "resolved", 30)
        sender.put("a")
        wait_for("the second page", lambda: len(own_triggers(sandbox)) == 2)
        second = own_triggers(sandbox)[1]
        assert router.incident(second)["previous"] == first


def test_a_receiver_that_fails_for_a_while_loses_nothing(tmp_path: Path, router: Router, sandbox: Sandbox) -> None:
    sender = Alertmanager(tmp_path, router.port, free_port())
    with ending(sender):
        wait_for("Alertmanager", sender.is_ready)
        router.process.kill()
        sender.put("a")
        wait_for("Alertmanager's failed attempts", lambda: b"retry" in sender.process.log.read_bytes().lower())
        router.start()
        [page] = wait_for("the page", sandbox.alerts, 40)
        sender.put("a", firing=False)
        wait_for("the resolve", lambda: router.incident(page["dedup_key"])["status"] == "resolved", 30)
        assert own_triggers(sandbox) == [page["dedup_key"]]


def test_a_cluster_of_two_pages_once_and_resolves_once(tmp_path: Path, router: Router, sandbox: Sandbox) -> None:
    ports = free_port(), free_port()
    peers = [Alertmanager(tmp_path, router.port, ports[0]), Alertmanager(tmp_path, router.port, ports[1], ports[0])]
    with ending(*peers):
        for peer in peers:
            wait_for("a peer", peer.is_ready)
            peer.put("a", "b")
        [page] = wait_for("the page", sandbox.alerts)
        incident = page["dedup_key"]
        wait_for("repeats", lambda: router.incident(incident)["notifications"] >= 3)
        for peer in peers:
            peer.put("a", "b", firing=False)
        wait_for("the resolve", lambda: router.incident(incident)["status"] == "resolved", 30)
        wait_for("PagerDuty's resolve", lambda: all(one["status"] == "resolved" for one in sandbox.alerts()))
        assert own_triggers(sandbox) == [incident]
        assert [one for one in sandbox.actions() if one == ("resolve", incident)] == [("resolve", incident)]
