"""A fire drill against a running service, end to end."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from alertrouter.drill import Drill, DrillError
from processes import Router, Sandbox, ending


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[tuple[Sandbox, Router]]:
    sandbox = Sandbox(tmp_path)
    with ending(sandbox):
        tokens = {"ALERTROUTER_API_TOKENS": "secret", "ALERTROUTER_WEBHOOK_TOKENS": "other-secret"}
        router = Router(tmp_path, sandbox.url, f"sqlite:///{tmp_path / 'drill.db'}", **tokens)
        with ending(router):
            yield sandbox, router


def drill(router: Router, *arguments: str, token: str = "secret") -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    tokens = {"ALERTROUTER_API_TOKEN": token, "ALERTROUTER_WEBHOOK_TOKENS": "other-secret,older"}
    env = {**os.environ, "ALERTROUTER_URL": router.url, **tokens}
    command = [sys.executable, "-m", "alertrouter.cli", "drill", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_drill_pages_and_resolves_and_says_how_long_each_leg_took(parts: tuple[Sandbox, Router]) -> None:
    sandbox, router = parts
    code, said, told = drill(router)
    assert (code, told) == (0, "")
    assert [line[13:] for line in said.splitlines()] == [
        "the notification is stored",
        "PagerDuty has accepted the page",
        "PagerDuty has accepted the resolve",
        "127.0.0.1 is not PagerDuty: no phone has rung",
        "whether PagerDuty has opened an incident is not known (ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS)",
    ]
    [alert] = sandbox.alerts()
    assert (alert["status"], alert["summary"]) == ("resolved", "[INFO] AlertrouterDrill: This is a drill. Nothing is wrong.")


def test_a_drill_pages_the_target_that_it_is_told_and_its_escalation(parts: tuple[Sandbox, Router]) -> None:
    sandbox, router = parts
    assert drill(router, "--target", "engineering", "--escalate")[0] == 0
    assert [action for action, _ in sandbox.actions()] == ["trigger", "trigger", "resolve", "resolve"]
    assert all(alert["status"] == "resolved" for alert in sandbox.alerts())


def test_a_leg_that_fails_fails_the_drill_and_what_was_opened_is_resolved(parts: tuple[Sandbox, Router]) -> None:
    sandbox, router = parts
    sandbox.fault("500", count=1000)
    code, _, told = drill(router, "--seconds", "2")
    assert (code, told.count("\n")) == (1, 1)
    assert told.startswith("alertrouter: PagerDuty has accepted the page: not within 2 s; the last attempt: ")
    found = httpx.get(f"{router.url}/api/v1/incidents?status=open", headers={"Authorization": "Bearer secret"}).json()
    assert found["incidents"] == []


def test_a_service_that_cannot_be_asked_fails_the_drill(parts: tuple[Sandbox, Router]) -> None:
    _, router = parts
    assert "answered 401" in drill(router, token="wrong")[2]
    router.process.kill()
    assert "does not answer: " in drill(router)[2]


def test_a_drill_for_a_target_that_there_is_not_fails_and_pages_nobody(parts: tuple[Sandbox, Router]) -> None:
    sandbox, router = parts
    for name in ("enginering", "none", " "):
        code, _, told = drill(router, "--target", name)
        assert (code, told) == (1, f"alertrouter: there is no target {name!r}: nobody was paged\n")
    assert sandbox.alerts() == []
    found = httpx.get(f"{router.url}/api/v1/incidents?status=open", headers={"Authorization": "Bearer secret"}).json()
    assert found["incidents"] == []


@pytest.mark.parametrize("told", [{}, {"host": None}])
def test_a_drill_against_a_service_that_does_not_tell_the_host_says_nothing_of_it(told: dict[str, Any]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/readyz":
            return httpx.Response(200, json={"parts": {"pagerduty": {"webhooks": True, **told}}})
        sent = [{"action": action, "state": "sent", "dedup_key": "1", "error": None} for action in ("trigger", "resolve")]
        timeline = [{"kind": "confirmed", "detail": {}}]
        return httpx.Response(200, json={"incidents": ["1"], "target": "oncall", "deliveries": sent, "timeline": timeline})

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://x") as http:
        assert Drill(http, "", "", 1, lambda _: None).run(escalate=False) == []


def test_a_drill_whose_first_answer_is_lost_is_resolved_all_the_same() -> None:
    bodies: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/readyz":
            return httpx.Response(200, json={"parts": {"pagerduty": {"host": "x", "webhooks": False}}})
        bodies.append(json.loads(request.content)["alerts"][0]["status"])
        raise httpx.ReadTimeout("lost")

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://x")
    with http, pytest.raises(DrillError, match="http://x does not answer: lost"):
        Drill(http, "", "", 1, lambda _: None).run(escalate=False)
    assert bodies == ["firing", "resolved"]
