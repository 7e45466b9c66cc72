"""What PagerDuty posts, over HTTP: verified, each once, answered after the commit."""

import hmac
import json
from pathlib import Path

import pytest

from pagerduty_feed import INTEGRATION, PERSON, SECRET, PagerDuty, texts
from serving import running

ENV = {"ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS": f"{SECRET},the-next-one"}


async def test_an_acknowledgement_there_stops_what_it_stops_here_and_says_who(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, ENV) as router:
        pagerduty = PagerDuty(router)
        incident_id = await pagerduty.opened("NoRunbook")
        await pagerduty.say("incident.acknowledged")
        incident = await pagerduty.incident(incident_id)
        assert (incident["status"], incident["acknowledged_by"]) == ("acknowledged", "Bia in PagerDuty")
        assert incident["escalation"]["due_at"] is None
        assert len(await router.settled()) == 1  # nothing is sent back
        assert "PagerDuty opened its incident" in texts(incident)


async def test_the_other_keys_are_told_and_each_pages_address_is_its_own(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, ENV) as router:
        pagerduty = PagerDuty(router)
        incident_id = await pagerduty.opened("DatabaseDown")
        events = await router.settled()
        step = next(one for one in events if one["dedup_key"] == f"{incident_id}/e1")
        await pagerduty.say("incident.triggered", "PDBA", client_url=step["client_url"], agent=INTEGRATION)
        await pagerduty.say("incident.acknowledged", "PDBA")
        sent = (await router.settled())[len(events) :]
        assert [(one["event_action"], one["dedup_key"]) for one in sent] == [("acknowledge", incident_id)]
        await pagerduty.say("incident.resolved", "PDBA")
        assert (await pagerduty.incident(incident_id))["status"] == "acknowledged"
        await pagerduty.say("incident.resolved", "PABC")
        incident = await pagerduty.incident(incident_id)
        assert (incident["status"], incident["resolve_reason"]) == ("resolved", "resolved by Bia in PagerDuty")
        assert len(await router.settled()) == len(events) + 1


async def test_each_webhook_counts_once_and_our_own_coming_back_not_at_all(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, ENV) as router:
        pagerduty = PagerDuty(router)
        incident_id = await pagerduty.opened("NoRunbook")
        await pagerduty.say("incident.acknowledged", webhook_id="same")
        await pagerduty.say("incident.unacknowledged", agent=None)
        await pagerduty.say("incident.acknowledged", webhook_id="same")
        assert (await pagerduty.incident(incident_id))["status"] == "triggered"
        await pagerduty.say("incident.acknowledged", agent=INTEGRATION)
        assert (await pagerduty.incident(incident_id))["status"] == "triggered"
        await pagerduty.say("incident.resolved", agent=INTEGRATION)
        assert (await pagerduty.incident(incident_id))["status"] == "triggered"


async def test_a_merge_is_no_resolve_and_takes_over_the_state_that_it_meets(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, ENV) as router:
        pagerduty = PagerDuty(router)
        first = await pagerduty.opened("NoRunbook", "PONE", group="1")
        second = await pagerduty.opened("NoRunbook", "PTWO", group="2", instance="b")
        await pagerduty.say("incident.acknowledged", "PTWO")
        merged = {"resolve_reason": {"type": "merge_resolve_reason", "incident": {"id": "PTWO"}}}
        await pagerduty.say("incident.resolved", "PONE", data=merged)
        incident = await pagerduty.incident(first)
        assert incident["status"] == "acknowledged"
        assert "Merged in PagerDuty by Bia" in texts(incident)
        await pagerduty.say("incident.resolved", "PTWO")
        assert [(await pagerduty.incident(one))["status"] for one in (first, second)] == ["resolved", "resolved"]


async def test_reopening_is_ours_too_unless_a_newer_episode_has_begun(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, ENV) as router:
        pagerduty = PagerDuty(router)
        first = await pagerduty.opened("NoRunbook", "PONE")
        await pagerduty.say("incident.resolved", "PONE")
        await pagerduty.say("incident.reopened", "PONE")
        assert (await pagerduty.incident(first))["status"] == "triggered"
        await pagerduty.say("incident.resolved", "PONE")
        router.clock.pass_(minutes=2)
        second = await pagerduty.opened("NoRunbook", "PTWO")
        assert second != first
        await pagerduty.say("incident.reopened", "PONE")
        incident = await pagerduty.incident(first)
        assert incident["status"] == "resolved"
        assert texts(incident)[-1] == "In PagerDuty reopened by Bia in PagerDuty"


async def test_what_is_only_to_be_told_is_told(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, ENV) as router:
        pagerduty = PagerDuty(router)
        incident_id = await pagerduty.opened("NoRunbook")
        await pagerduty.say("incident.reassigned", data={"assignees": [{"summary": "Rui"}]})
        await pagerduty.say("incident.annotated", data={"id": "PN", "type": "incident_note", "incident": {"id": "PABC"}})
        await pagerduty.say("incident.priority_updated")
        incident = await pagerduty.incident(incident_id)
        assert incident["status"] == "triggered"
        assert texts(incident)[-3:] == [
            "In PagerDuty reassigned to Rui by Bia",
            "In PagerDuty annotated by Bia",
            "In PagerDuty priority updated by Bia",
        ]


@pytest.mark.parametrize(
    "kind", ["pagey.ping", "incident.acknowledged", "incident.resolved", "incident.from_the_future", "x" * 9999]
)
async def test_what_is_verified_and_about_nothing_of_ours_is_taken(url: str, tmp_path: Path, kind: str) -> None:
    async with running(url, tmp_path, ENV) as router:
        pagerduty = PagerDuty(router)
        incident_id = await pagerduty.opened("NoRunbook")
        await pagerduty.say(kind, "PELSE", client_url="http://router.test/incidents/nothing", data={"title": "é" * 40_000})
        assert (await pagerduty.incident(incident_id))["status"] == "triggered"


@pytest.mark.parametrize("signature", ["", "v1=" + "0" * 64, "v1=\xff\xfe", "garbage,,,=", "v0=" + "0" * 64])
async def test_what_is_not_verified_is_refused_and_changes_nothing(url: str, tmp_path: Path, signature: str) -> None:
    async with running(url, tmp_path, ENV) as router:
        headers = {"X-PagerDuty-Signature": signature.encode("latin-1")}
        answer = await router.http.post("/webhooks/pagerduty", content=b"{}", headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 401
        assert SECRET not in answer.text


async def test_without_a_secret_nothing_can_be_verified_and_the_answer_says_what_to_set(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        answer = await router.http.post("/webhooks/pagerduty", content=b"{}")
        assert answer.status_code == 503
        assert "ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS" in answer.json()["error"]


async def test_a_verified_body_that_is_no_event_is_taken_so_that_the_feed_lives_on(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, ENV) as router:
        headers = {"X-PagerDuty-Signature": "v1=" + hmac.new(b"the-next-one", b"[]", "sha256").hexdigest()}
        assert (await router.http.post("/webhooks/pagerduty", content=b"[]", headers=headers)).status_code == 202


@pytest.mark.parametrize("occurred_at", ["2026-11-23T02:59:00Z", "2026-11-23T03:01:00Z", "1970-01-01T00:00:00Z", "soon", None, 7])
async def test_pagerdutys_clock_does_not_matter(url: str, tmp_path: Path, occurred_at: object) -> None:
    async with running(url, tmp_path, ENV) as router:
        pagerduty = PagerDuty(router)
        incident_id = await pagerduty.opened("NoRunbook")
        event = {"event_type": "incident.acknowledged", "agent": PERSON, "data": {"id": "PABC"}, "occurred_at": occurred_at}
        body = json.dumps({"event": event}).encode()
        headers = {"X-PagerDuty-Signature": "v1=" + hmac.new(SECRET.encode(), body, "sha256").hexdigest()}
        assert (await router.http.post("/webhooks/pagerduty", content=body, headers=headers)).status_code == 202
        assert (await pagerduty.incident(incident_id))["status"] == "acknowledged"


async def test_signatures_may_come_in_a_header_each(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, ENV) as router:
        body = json.dumps({"event": {"event_type": "pagey.ping", "data": {}}}).encode()
        good, other = (hmac.new(secret.encode(), body, "sha256").hexdigest() for secret in (SECRET, "another"))
        for values, status in (((other, good), 202), ((other, other), 401)):
            headers = [("X-PagerDuty-Signature", f"v1={value}") for value in values]
            answer = await router.http.post("/webhooks/pagerduty", content=body, headers=headers)
            assert answer.status_code == status
