"""alertrouter and the sandbox as two processes: what people do in PagerDuty arrives here, and the other way round."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from processes import Router, Sandbox, ending, notification, wait_for

SECRET = "a-webhook-secret"


class Pair:
    """Both processes, with webhooks and the API set up."""

    def __init__(self, sandbox: Sandbox, router: Router) -> None:
        self.sandbox = sandbox
        self.router = router

    def open(self, name: str = "NoRunbook", **given: Any) -> tuple[str, str]:
        """Our incident, and PagerDuty's."""
        [ours] = self.router.post(notification(name, **given)).json()["incidents"]
        theirs = wait_for("PagerDuty's incident", lambda: self.theirs(ours))
        wait_for("its confirmation", lambda: "confirmed" in [entry["kind"] for entry in self.router.incident(ours)["timeline"]])
        return ours, theirs["id"]

    def theirs(self, key: str) -> dict[str, Any] | None:
        """PagerDuty's incident with this key."""
        found: list[dict[str, Any]] = httpx.get(f"{self.sandbox.url}/incidents").json()["incidents"]
        return next((one for one in reversed(found) if key in one["keys"]), None)

    def do(self, incident: str, action: str, **given: str) -> None:
        """A person acts in PagerDuty."""
        httpx.post(f"{self.sandbox.url}/incidents/{incident}/{action}", json={"by": "Bia", **given}).raise_for_status()

    def becomes(self, ours: str, status: str) -> dict[str, Any]:
        """Our incident, once it has that status."""
        return wait_for(f"{ours} to be {status}", lambda: (one := self.router.incident(ours))["status"] == status and one) or {}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    sandbox = Sandbox(tmp_path)
    with ending(sandbox):
        env = {
            "ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS": f"an-older-one,{SECRET}",
            "ALERTROUTER_PAGERDUTY_API_URL": f"{sandbox.url}/rest",
            "ALERTROUTER_PAGERDUTY_API_TOKEN": "a-token",
        }
        router = Router(tmp_path, sandbox.url, f"sqlite:///{tmp_path / 'a.db'}", **env)
        with ending(router):
            subscription = {"url": f"{router.url}/webhooks/pagerduty", "secrets": [SECRET, "the-next-one"]}
            httpx.post(f"{sandbox.url}/subscription", json=subscription).raise_for_status()
            yield Pair(sandbox, router)


def test_what_people_do_there_is_done_here_and_nothing_is_sent_back(pair: Pair) -> None:
    ours, theirs = pair.open()
    pair.do(theirs, "acknowledge")
    assert pair.becomes(ours, "acknowledged")["acknowledged_by"] == "Bia in PagerDuty"
    pair.do(theirs, "unacknowledge")
    pair.becomes(ours, "triggered")
    pair.do(theirs, "reassign", to="Rui")
    pair.do(theirs, "annotate", note="looking")
    pair.do(theirs, "resolve")
    found = pair.becomes(ours, "resolved")
    assert found["resolve_reason"] == "resolved by Bia in PagerDuty"
    texts = [entry["text"] for entry in found["timeline"]]
    assert "In PagerDuty reassigned to Rui by Bia" in texts
    assert "In PagerDuty annotated by Bia: looking" in texts
    pair.do(theirs, "reopen")
    pair.becomes(ours, "triggered")
    assert [action for action, _ in pair.sandbox.actions()] == ["trigger"]


def test_what_people_do_here_is_done_there_and_its_echo_starts_nothing(pair: Pair) -> None:
    ours, _ = pair.open()
    httpx.post(f"{pair.router.url}/api/v1/incidents/{ours}/acknowledge", json={"by": "ana"}).raise_for_status()
    wait_for("PagerDuty to know", lambda: (pair.theirs(ours) or {})["status"] == "acknowledged")
    httpx.post(f"{pair.router.url}/api/v1/incidents/{ours}/resolve", json={"by": "ana"}).raise_for_status()
    wait_for("PagerDuty to know", lambda: (pair.theirs(ours) or {})["status"] == "resolved")
    webhooks = f"{pair.sandbox.url}/webhooks"
    wait_for("the echoes", lambda: all(one["state"] == "taken" for one in httpx.get(webhooks).json()["webhooks"]))
    assert pair.router.incident(ours)["acknowledged_by"] == "ana"
    assert [action for action, _ in pair.sandbox.actions()] == ["trigger", "acknowledge", "resolve"]


def test_a_merge_is_followed_and_its_resolve_is_ours(pair: Pair) -> None:
    first, one = pair.open(group="1")
    second, two = pair.open(group="2", instance="b")
    pair.do(two, "acknowledge")
    pair.becomes(second, "acknowledged")
    pair.do(one, "merge", into=two)
    pair.becomes(first, "acknowledged")
    pair.do(two, "resolve")
    pair.becomes(first, "resolved")
    pair.becomes(second, "resolved")


def test_a_webhook_that_was_lost_is_made_good_before_the_step(pair: Pair) -> None:
    httpx.post(f"{pair.sandbox.url}/subscription", json={"url": f"{pair.router.url}/nowhere", "secrets": ["x"]})
    [ours] = pair.router.post(notification("HighErrorRate")).json()["incidents"]  # "if not resolved in 4 s"
    theirs = wait_for("PagerDuty's incident", lambda: pair.theirs(ours))
    pair.do(theirs["id"], "resolve")
    pair.becomes(ours, "resolved")
    assert [action for action, _ in pair.sandbox.actions()] == ["trigger"]


def test_webhooks_repeated_late_and_to_a_service_that_was_away_change_nothing_more(pair: Pair) -> None:
    ours, theirs = pair.open()
    pair.do(theirs, "acknowledge")
    pair.becomes(ours, "acknowledged")
    pair.do(theirs, "unacknowledge")
    pair.becomes(ours, "triggered")
    old = next(
        one for one in httpx.get(f"{pair.sandbox.url}/webhooks").json()["webhooks"] if one["kind"] == "incident.acknowledged"
    )
    httpx.post(f"{pair.sandbox.url}/webhooks/replay", json={"id": old["id"]}).raise_for_status()
    httpx.post(f"{pair.sandbox.url}/ping").raise_for_status()
    pair.router.process.kill()
    pair.do(theirs, "resolve")
    pair.router.start()
    pair.becomes(ours, "resolved")
    kinds = [entry["kind"] for entry in pair.router.incident(ours)["timeline"]]
    assert (kinds.count("acknowledged"), kinds.count("resolved")) == (1, 1)
    feed = httpx.get(f"{pair.sandbox.url}/webhooks").json()
    assert feed["enabled"]


def test_a_drill_waits_for_pagerdutys_word(pair: Pair, tmp_path: Path) -> None:
    from alertrouter.drill import Drill

    legs: list[str] = []
    with httpx.Client(base_url=pair.router.url) as http:
        Drill(http, "", "", 20, lambda leg: legs.append(leg.what)).run(escalate=False)
    assert "PagerDuty has told that its incident is open" in legs
