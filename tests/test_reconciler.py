"""Asking PagerDuty's REST API: before a step, for a webhook, now and then, and for pages that nobody confirmed."""

import asyncio
import hmac
import json
from datetime import timedelta
from pathlib import Path

import pytest

from pagerduty_feed import SECRET
from rest import TOKEN, asking, incident, opened


async def test_a_step_is_not_taken_if_pagerduty_shows_that_somebody_has_it(database_url: str, tmp_path: Path) -> None:
    async with asking(database_url, tmp_path) as (router, rest):
        one = await opened(router)
        rest.opens(one, status="acknowledged")
        router.clock.pass_(minutes=15)
        events = await router.settled()
        found = await incident(router, one)
        assert (found["status"], found["acknowledged_by"]) == ("acknowledged", "Bia in PagerDuty")
        assert len(events) == 1


async def test_a_step_is_not_taken_if_pagerduty_shows_that_it_is_over(database_url: str, tmp_path: Path) -> None:
    async with asking(database_url, tmp_path) as (router, rest):
        one = await opened(router, "HighErrorRate")  # "unless resolved"
        rest.opens(one, status="resolved")
        router.clock.pass_(minutes=15)
        assert len(await router.settled()) == 1
        assert (await incident(router, one))["status"] == "resolved"


@pytest.mark.parametrize("mode", ["hang", "500", "html", "empty", "odd", "unknown"])
async def test_if_pagerduty_cannot_be_asked_the_step_is_taken(mode: str, url: str, tmp_path: Path) -> None:
    async with asking(url, tmp_path, waits=mode != "hang") as (router, rest):
        one = await opened(router)
        rest.mode = mode
        router.clock.pass_(minutes=15)
        assert [event["dedup_key"] for event in await router.settled()] == [one, f"{one}/e1"]
        assert rest.asked


def acknowledgement(pagerduty_id: str) -> tuple[bytes, dict[str, str]]:
    event = {
        "event_type": "incident.acknowledged",
        "agent": {"type": "user_reference", "summary": "Bia"},
        "data": {"id": pagerduty_id},
    }
    body = json.dumps({"event": event}).encode()
    return body, {"X-PagerDuty-Signature": "v1=" + hmac.new(SECRET.encode(), body, "sha256").hexdigest()}


async def test_a_webhook_that_names_no_key_is_correlated_by_the_alerts_of_its_incident(database_url: str, tmp_path: Path) -> None:
    async with asking(database_url, tmp_path, ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS=SECRET) as (router, rest):
        ids = [await opened(router, group=group, instance=group) for group in ("a", "b", "c")]
        rest.opens("somebody-elses", "PALL")
        for one in ids[:2]:
            rest.opens(one, "PALL")
        body, headers = acknowledgement("PALL")
        assert (await router.http.post("/webhooks/pagerduty", content=body, headers=headers)).status_code == 202
        statuses = [(await incident(router, one))["status"] for one in ids]
        assert statuses == ["acknowledged", "acknowledged", "triggered"]


async def test_a_webhook_is_answered_in_time_though_pagerdutys_api_hangs(url: str, tmp_path: Path) -> None:
    async with asking(url, tmp_path, waits=False, ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS=SECRET) as (router, rest):
        await opened(router)
        rest.mode = "hang"
        body, headers = acknowledgement("PABC")
        async with asyncio.timeout(4.5):
            assert (await router.http.post("/webhooks/pagerduty", content=body, headers=headers)).status_code == 202


async def test_the_reconciler_heals_what_webhooks_missed(database_url: str, tmp_path: Path) -> None:
    async with asking(database_url, tmp_path) as (router, rest):
        acked, over, same = [await opened(router, group=group, instance=group) for group in ("a", "b", "c")]
        rest.opens(acked, "P1", status="acknowledged")
        rest.opens(over, "P2", status="resolved")
        rest.opens(same, "P3")
        await router.service.reconciler.reconcile()
        assert [(await incident(router, one))["status"] for one in (acked, over, same)] == [
            "acknowledged",
            "resolved",
            "triggered",
        ]
        assert len(await router.settled()) == 3  # nothing is sent back
        rest.opens(acked, "P1", status="triggered")
        await router.service.reconciler.reconcile()
        assert (await incident(router, acked))["status"] == "acknowledged"  # it may not have heard of it yet
        router.clock.pass_(minutes=3)
        await router.service.reconciler.reconcile()
        assert (await incident(router, acked))["status"] == "triggered"


async def test_a_page_that_pagerduty_opens_no_incident_for_is_told_once(database_url: str, tmp_path: Path) -> None:
    async with asking(database_url, tmp_path) as (router, rest):
        lost, there = [await opened(router, group=group, instance=group) for group in ("a", "b")]
        rest.opens(there)
        await router.service.reconciler.confirm(timedelta(minutes=2))
        assert "unconfirmed" not in [entry["kind"] for entry in (await incident(router, lost))["timeline"]]
        router.clock.pass_(minutes=3)
        for _ in range(2):
            await router.service.reconciler.confirm(timedelta(minutes=2))
        story = [entry["text"] for entry in (await incident(router, lost))["timeline"]]
        assert story.count("PagerDuty took the page to oncall and has opened no incident for it") == 1
        assert "but PagerDuty has opened no incident for it" in (await router.http.get(f"/incidents/{lost}")).text
        kinds = [entry["kind"] for entry in (await incident(router, there))["timeline"]]
        assert ("confirmed" in kinds, "unconfirmed" in kinds) == (True, False)
        rest.opens(lost)  # it comes after all
        await router.service.reconciler.reconcile()
        assert (
            "opened no incident for it"
            not in (await router.http.get(f"/incidents/{lost}")).text.partition("Sent to PagerDuty")[2]
        )


async def test_the_token_is_in_no_log_and_no_answer(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with asking(url, tmp_path) as (router, rest):
        await opened(router)
        rest.mode = "500"
        router.clock.pass_(minutes=15)
        await router.settled()
        assert TOKEN not in capsys.readouterr().out
