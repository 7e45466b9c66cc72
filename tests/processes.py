"""Real processes for tests: alertrouter, the PagerDuty sandbox, Alertmanager. Each is ended by its id."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx
import pytest

from alertrouter.alertmanager import fingerprint_of

Found = TypeVar("Found")
START_SECONDS = 60.0
"""For a start on a machine that has much else to do."""
KEYS = {"oncall": "0123456789abcdef0123456789abcdef", "engineering": "fedcba9876543210fedcba9876543210"}
RUNBOOK = """# Service

### HighErrorRate
1. Look at `kubectl logs -n {{ labels.namespace }} deploy/api`

**Escalation**: If not resolved in 4 s, escalate to engineering
"""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: str, probe: Callable[[], Found | None], seconds: float = 20.0) -> Found:
    """The first true result of `probe`; a failure that says what was waited for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(httpx.HTTPError):
            if found := probe():
                return found
        time.sleep(0.02)
    pytest.fail(f"waited {seconds} s for {what}")


class Process:
    """A process of ours and its output."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(arguments, env={**os.environ, **env}, stdout=out, stderr=subprocess.STDOUT)

    def wait_for(self, what: str, probe: Callable[[], Found | None]) -> None:
        """Wait until it is there; a process that does not come is not left behind."""
        try:
            wait_for(what, probe, START_SECONDS)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """`kill -9`."""
        self.popen.kill()
        self.popen.wait(10)

    def stop(self, seconds: float = 10) -> int:
        """SIGTERM, and the exit code; `kill -9` and a failure if it does not end in time."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"{self.popen.args!r} did not end within {seconds} s of SIGTERM")


class HasProcess(Protocol):
    """A part of a test that runs as a process; a restart gives it another one."""

    process: Process


class Sandbox:
    """A PagerDuty sandbox process."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        arguments = [sys.executable, "-m", "alertrouter.cli", "sandbox", "--port", str(self.port)]
        self.process = Process(arguments, {}, folder / "sandbox.log")
        self.process.wait_for("the sandbox", lambda: httpx.get(f"{self.url}/healthz").is_success)

    def alerts(self) -> list[dict[str, Any]]:
        """PagerDuty's alerts, newest first or not: by state of each key."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/alerts").json()["alerts"]
        return found

    def events(self) -> list[dict[str, Any]]:
        """All that was received, in order."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/events").json()["events"]
        return found

    def actions(self) -> list[tuple[str, str]]:
        """(action, dedup key) of each event, in order."""
        return [(one["event"]["event_action"], one["event"]["dedup_key"]) for one in self.events()]

    def fault(self, mode: str, **given: Any) -> None:
        """Misbehave from now on."""
        httpx.post(f"{self.url}/faults", json={"mode": mode, **given}).raise_for_status()

    def heal(self) -> None:
        """Behave again."""
        httpx.delete(f"{self.url}/faults").raise_for_status()


class Router:
    """An alertrouter process that can be killed and started again on the same database."""

    runbook = RUNBOOK

    def __init__(self, folder: Path, sandbox_url: str, database_url: str, **env: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = database_url
        self._folder = folder
        runbooks = folder / "runbooks"
        runbooks.mkdir(exist_ok=True)
        (runbooks / "service.md").write_text(self.runbook)
        config = folder / "alertrouter.yml"
        config.write_text(json.dumps({"targets": {name: {"routing_key": key} for name, key in KEYS.items()}}))
        self._env = {
            "ALERTROUTER_DATABASE_URL": database_url,
            "ALERTROUTER_RUNBOOKS_DIR": str(runbooks),
            "ALERTROUTER_CONFIG": str(config),
            "ALERTROUTER_PAGERDUTY_EVENTS_URL": sandbox_url,
            "ALERTROUTER_PORT": str(self.port),
            "ALERTROUTER_RESOLVE_HOLD": "1s",
            **{name: value.replace("{port}", str(self.port)) for name, value in env.items()},
        }
        self.start()

    def start(self) -> None:
        """Start, and wait until it is ready."""
        self.process = Process([sys.executable, "-m", "alertrouter.cli", "serve"], self._env, self._folder / "alertrouter.log")
        self.process.wait_for("alertrouter to be ready", lambda: httpx.get(f"{self.url}/readyz").is_success)

    def post(self, body: dict[str, Any]) -> httpx.Response:
        """Post a notification."""
        return httpx.post(f"{self.url}/webhooks/alertmanager", json=body, timeout=10)

    def incidents(self, **query: str) -> list[dict[str, Any]]:
        """The incidents, newest first."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/api/v1/incidents", params=query).json()["incidents"]
        return found

    def incident(self, incident_id: str) -> dict[str, Any]:
        """One incident with its story."""
        found: dict[str, Any] = httpx.get(f"{self.url}/api/v1/incidents/{incident_id}").json()
        return found


def notification(name: str = "HighErrorRate", *, firing: bool = True, group: str = "g", instance: str = "a") -> dict[str, Any]:
    """A small body as Alertmanager posts it."""
    now = datetime.now(UTC).isoformat()
    labels = {"alertname": name, "severity": "critical", "namespace": "prod", "instance": instance}
    alert = {
        "status": "firing" if firing else "resolved",
        "labels": labels,
        "annotations": {"summary": "Errors above 1%"},
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z" if firing else now,
        "generatorURL": "http://127.0.0.1:9090/graph",
        "fingerprint": fingerprint_of(labels),
    }
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{group}"}}',
        "receiver": "alertrouter",
        "status": alert["status"],
        "externalURL": "http://127.0.0.1:9093",
        "truncatedAlerts": 0,
        "alerts": [alert],
    }


def debian(program: str) -> str:
    """The path of a program from a Debian package. Where it is absent the test skips, loudly; in CI it fails."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed (make e2e-deps)"
        if os.environ.get("ALERTROUTER_TESTS_MAY_SKIP") == "no":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@contextlib.contextmanager
def ending(*parts: HasProcess) -> Iterator[None]:
    """End the processes of these parts, whatever happens."""
    try:
        yield
    finally:
        for part in parts:
            if part.process.popen.poll() is None:
                part.process.kill()
