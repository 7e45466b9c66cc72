"""PagerDuty and alertrouter agree in spite of odd answers, lost webhooks, groups, merges and races."""

import asyncio
import json
import sqlite3
import time
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse

from alertrouter import reconciler
from alertrouter.alertmanager import Alert
from alertrouter.escalation import Policy
from alertrouter.feedback import difference
from alertrouter.incidents import Acknowledged, Key, Notified, Plan, decide
from alertrouter.incidents.draft import Draft
from alertrouter.pagerduty.rest import Found
from alertrouter.store.links import Acknowledgement
from pagerduty_feed import INTEGRATION, SECRET, PagerDuty, texts
from processes import notification
from rest import asking, incident, opened
from serving import START, Running, running, until

HEARS: dict[str, Any] = {"ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS": SECRET}
MERGED = {"resolve_reason": {"type": "merge_resolve_reason", "incident": {"id": "PTARGET"}}}


async def statuses(router: Running, *ids: str) -> list[str]:
    return [(await incident(router, one))["status"] for one in ids]


async def pages(router: Running) -> list[str]:
    return [event["dedup_key"] for event in await router.events() if event["event_action"] == "trigger"]


async def act(router: Running, one: str, action: str) -> None:
    (await router.http.post(f"/api/v1/incidents/{one}/{action}", json={"by": "ana"})).raise_for_status()


def over(body: dict[str, Any]) -> dict[str, Any]:
    ended = deepcopy(body) | {"status": "resolved"}
    for alert in ended["alerts"]:
        alert |= {"status": "resolved", "endsAt": "2026-11-23T03:14:00Z"}
    return ended


def with_another(body: dict[str, Any]) -> dict[str, Any]:
    more = deepcopy(body["alerts"][0])
    more |= {"fingerprint": "feedfeedfeedfeed", "labels": more["labels"] | {"instance": "other"}}
    return {**body, "alerts": [*body["alerts"], more]}


class Escaped(JSONResponse):
    """JSON in ASCII, as some write it: half a character can stand in it."""

    def render(self, content: Any) -> bytes:
        """All but ASCII as escapes."""
        return json.dumps(content).encode()


@pytest.mark.parametrize("name", ["Bia \ud83d", "Bia\0", "Bia\x1b[2J"])
async def test_an_odd_name_in_an_answer_holds_up_nobodys_step(
    database_url: str, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rest.JSONResponse", Escaped)
    async with asking(database_url, tmp_path) as (router, rest):
        odd, other = [await opened(router, group=name, instance=name) for name in "ab"]
        rest.opens(odd, "P1", status="acknowledged", by=name)
        router.clock.pass_(minutes=15)
        await router.settled()
        assert await pages(router) == [odd, other, f"{other}/e1"]
        assert (await incident(router, odd))["acknowledged_by"].startswith("Bia")


@pytest.mark.parametrize("key", ["somebody\ud83d", "né", "a\0"])
async def test_odd_keys_of_other_integrations_are_passed_over(
    url: str, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rest.JSONResponse", Escaped)
    async with asking(url, tmp_path, **HEARS) as (router, rest):
        one = await opened(router)
        rest.opens(key, "P1")
        rest.opens(one, "P1")
        await PagerDuty(router).say("incident.acknowledged", "P1")
        assert await statuses(router, one) == ["acknowledged"]


@pytest.mark.parametrize("odd", ["P\x01", "../../x?y=", "Pé", "P\ud83d"])
async def test_an_odd_id_is_taken_and_means_nothing(url: str, tmp_path: Path, odd: str) -> None:
    async with asking(url, tmp_path, **HEARS) as (router, _):
        await PagerDuty(router).say("incident.acknowledged", odd)


async def test_a_step_that_falls_due_while_another_is_asked_about_waits_for_its_own_question(url: str, tmp_path: Path) -> None:
    async with asking(url, tmp_path) as (router, rest):
        first = await opened(router, group="a", instance="a")
        router.clock.pass_(minutes=1)
        second = await opened(router, group="b", instance="b")
        rest.opens(first, "P1")
        rest.opens(second, "P2", status="acknowledged")
        rest.before_answer = lambda: router.clock.pass_(minutes=1)  # the second falls due
        router.clock.pass_(minutes=14)
        await until(lambda: asyncio.sleep(0, rest.before_answer is None))
        await router.settled()
        assert await pages(router) == [first, second, f"{first}/e1"]


@pytest.mark.parametrize("is_held", [True, False])
async def test_a_notification_takes_no_step_that_pagerduty_was_not_asked_about(url: str, tmp_path: Path, is_held: bool) -> None:
    async with asking(url, tmp_path) as (router, rest):
        one = await opened(router)
        rest.opens(one, "P1", status="acknowledged")
        body = notification("NoRunbook")
        if is_held:  # the step falls due within the hold, which the next notification ends
            router.clock.pass_(minutes=14, seconds=30)
            await router.post(over(body))
        router.clock.pass_(seconds=45 if is_held else 900)
        await router.post(body)
        await router.settled()
        assert await pages(router) == [one]


async def test_a_step_that_fell_due_within_a_hold_is_taken_as_soon_as_it_is_asked_about(url: str, tmp_path: Path) -> None:
    async with asking(url, tmp_path) as (router, rest):
        one = await opened(router)
        rest.opens(one, "P1")
        router.clock.pass_(minutes=14, seconds=30)
        await router.post(over(notification("NoRunbook")))
        router.clock.pass_(seconds=45)
        await router.post(notification("NoRunbook"))
        await router.settled()
        assert await pages(router) == [one, f"{one}/e1"]


async def test_sixty_steps_that_are_due_at_once_are_all_asked_about(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "BEFORE_STEP_SECONDS", 30.0)
    async with asking(url, tmp_path) as (router, rest):
        bodies = [notification("NoRunbook", group=f"g{number}", instance=f"{number}") for number in range(60)]
        ids = [(await router.post(body)).json()["incidents"][0] for body in bodies]
        await router.settled()
        for number, one in enumerate(ids):
            rest.opens(one, f"P{number}", status="acknowledged")
        router.clock.pass_(minutes=16)
        await router.settled()
        assert sorted(await pages(router)) == sorted(ids)


async def test_what_was_resolved_here_is_reopened_there_and_resolved_there_again(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, HEARS) as router:
        pagerduty = PagerDuty(router)
        one = await pagerduty.opened("NoRunbook", "P1")
        await act(router, one, "resolve")
        await router.settled()
        await pagerduty.say("incident.resolved", "P1", agent=INTEGRATION)
        await pagerduty.say("incident.reopened", "P1")
        assert await statuses(router, one) == ["triggered"]
        await pagerduty.say("incident.resolved", "P1")
        assert await statuses(router, one) == ["resolved"]


async def test_the_reconciler_leaves_an_acknowledgement_alone_that_is_on_its_way(url: str, tmp_path: Path) -> None:
    async with asking(url, tmp_path) as (router, rest):
        one = await opened(router)
        rest.opens(one, "P1")
        await router.pagerduty.post("/faults", json={"mode": "500", "count": 1000})
        await act(router, one, "acknowledge")
        await router.settled_but_failing()
        router.clock.pass_(minutes=3)
        await router.service.reconciler.reconcile()
        assert await statuses(router, one) == ["acknowledged"]
        await router.pagerduty.delete("/faults")
        router.clock.pass_(minutes=2)
        await router.settled()
        await router.service.reconciler.reconcile()  # PagerDuty has it since a moment ago
        assert await statuses(router, one) == ["acknowledged"]
        router.clock.pass_(minutes=3)
        await router.service.reconciler.reconcile()
        assert await statuses(router, one) == ["triggered"]


def test_a_page_that_was_acknowledged_a_moment_ago_may_be_shown_as_triggered_yet() -> None:
    shown = Found("P1", "triggered", "")
    alert = Alert(True, {"alertname": "A"}, {}, START, None, "", "a")
    plan = Plan("error", "A", None, Policy((), "default"))
    [opening] = decide(None, Notified(Key("s", "g", False, "oncall", True, timedelta()), (alert,), lambda _: plan), START)
    some_state, key = opening.state, opening.state.incident.id
    draft = Draft(some_state.incident, some_state.members)
    draft.hear_of_acknowledgement([key], START + timedelta(hours=1))
    draft.set(status="acknowledged", acknowledged_at=START, acknowledged_by="Bia")
    state = draft.change().state
    assert difference(state, key, shown, START + timedelta(hours=1, minutes=1)) is None
    assert difference(state, key, shown, START + timedelta(hours=1, minutes=3)) is not None
    for sent in (Acknowledgement(True, None), Acknowledgement(False, START + timedelta(hours=1, minutes=2))):
        assert difference(state, key, shown, START + timedelta(hours=1, minutes=3), sent) is None
    assert difference(some_state, key, Found("P1", "acknowledged", "Bia"), START) == Acknowledged(
        "Bia in PagerDuty", frozenset({key})
    )


async def test_a_page_that_pagerduty_refused_does_not_keep_an_incident_open_that_was_resolved_there(
    url: str, tmp_path: Path
) -> None:
    async with asking(url, tmp_path, **HEARS) as (router, rest):
        pagerduty = PagerDuty(router)
        one = await pagerduty.opened("NoRunbook", "P1")
        rest.opens(one, "P1", status="acknowledged")
        await pagerduty.say("incident.acknowledged", "P1")
        await router.pagerduty.post("/faults", json={"mode": "400", "count": 2})
        await router.post(with_another(notification("NoRunbook")))
        await router.settled()
        rest.opens(one, "P1", status="resolved")
        await pagerduty.say("incident.resolved", "P1")
        assert await statuses(router, one) == ["resolved"]


async def test_a_key_that_joined_an_incident_that_is_known_is_acknowledged_with_it(url: str, tmp_path: Path) -> None:
    async with asking(url, tmp_path, **HEARS) as (router, rest):
        pagerduty = PagerDuty(router)
        first = await pagerduty.opened("NoRunbook", "P1", group="a", instance="a")
        second = await opened(router, group="b", instance="b")
        for one in (first, second):  # alert grouping: no webhook tells of the second
            rest.opens(one, "P1", status="acknowledged")
        await pagerduty.say("incident.acknowledged", "P1")
        assert await statuses(router, first, second) == ["acknowledged", "acknowledged"]


async def test_what_was_merged_is_found_among_the_alerts_of_the_target(url: str, tmp_path: Path) -> None:
    async with asking(url, tmp_path, **HEARS) as (router, rest):
        pagerduty = PagerDuty(router)
        target = await pagerduty.opened("NoRunbook", "PTARGET", group="b", instance="b")
        source = await opened(router, group="a", instance="a")  # its webhook was lost
        rest.opens(source, "PTARGET", status="acknowledged")
        rest.opens(target, "PTARGET", status="acknowledged")
        await pagerduty.say("incident.acknowledged", "PTARGET")
        await pagerduty.say("incident.resolved", "PSOURCE", data=MERGED)
        assert await statuses(router, source, target) == ["acknowledged", "acknowledged"]


@pytest.mark.parametrize("with_token", [True, False])
async def test_what_is_merged_into_something_that_nobody_has_is_nobodys_again(url: str, tmp_path: Path, with_token: bool) -> None:
    async with asking(url, tmp_path, **HEARS) as (router, rest):
        if not with_token:
            router.service.reconciler._rest = None
        pagerduty = PagerDuty(router)
        source = await pagerduty.opened("NoRunbook", "PSOURCE", group="a", instance="a")
        target = await pagerduty.opened("NoRunbook", "PTARGET", group="b", instance="b")
        await pagerduty.say("incident.acknowledged", "PSOURCE")
        rest.opens(target, "PTARGET")
        rest.opens(source, "PTARGET")
        await pagerduty.say("incident.resolved", "PSOURCE", data=MERGED)
        found = await incident(router, source)
        assert (found["status"], found["escalation"]["due_at"]) == ("triggered", "2026-11-23T03:15:00.000Z")


async def test_a_merged_incident_is_no_resolved_one_for_the_api_either(url: str, tmp_path: Path) -> None:
    async with asking(url, tmp_path) as (router, rest):
        one = await opened(router)
        rest.opens(one, "PSOURCE", status="resolved")
        rest.incidents[one] |= MERGED
        await router.service.reconciler.reconcile()
        assert await statuses(router, one) == ["triggered"]


@pytest.mark.parametrize("mode", ["400", "500"])
async def test_an_acknowledgement_that_was_taken_back_is_not_sent_any_more(url: str, tmp_path: Path, mode: str) -> None:
    async with running(url, tmp_path, HEARS) as router:
        pagerduty = PagerDuty(router)
        one = await pagerduty.opened("NoRunbook", "P1")
        await router.pagerduty.post("/faults", json={"mode": mode, "count": 2 if mode == "400" else 1000})
        await act(router, one, "acknowledge")
        await (router.settled() if mode == "400" else router.settled_but_failing())
        await pagerduty.say("incident.acknowledged", "P1")
        await pagerduty.say("incident.unacknowledged", "P1", agent=None)
        await router.pagerduty.delete("/faults")
        [owed] = [one for one in (await incident(router, one))["deliveries"] if one["action"] == "acknowledge"]
        retried = await router.http.post(f"/api/v1/deliveries/{owed['id']}/retry")
        router.clock.pass_(minutes=2)
        await router.settled()
        assert [alert["status"] for alert in await router.alerts()] == ["triggered"]
        assert (retried.status_code, "taken back" in retried.text) == (409, True)


@pytest.mark.parametrize("errors", ['["a\\u0000b"]', '["\\ud83d"]', '["\\u001b[2J"]'])
async def test_odd_errors_of_a_refusal_are_kept_in_one_clean_line(database_url: str, tmp_path: Path, errors: str) -> None:
    from alertrouter.pagerduty.outcomes import classify

    async with running(database_url, tmp_path) as router:
        answers: list[Any] = []

        async def send(*_: Any, **__: Any) -> Any:
            answers.append(classify(400, f'{{"errors": {errors}}}'.encode()))
            return answers[-1]

        router.service.worker._client.send = send  # type: ignore[method-assign,method-assign]
        [one] = (await router.post(notification("NoRunbook"))).json()["incidents"]
        await router.settled()
        [delivery] = (await incident(router, one))["deliveries"]
        assert (delivery["state"], delivery["error"].isprintable(), len(answers)) == ("dead", True, 2)


async def test_a_webhook_is_answered_within_five_seconds_though_neither_pagerduty_nor_the_database_answers(
    url: str, tmp_path: Path
) -> None:
    async with asking(url, tmp_path, waits=False, **HEARS) as (router, rest):
        rest.mode = "hang"
        lock = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        await PagerDuty(router).say("incident.acknowledged", "P1", status=503)
        lock.execute("ROLLBACK")
        lock.close()
        assert time.monotonic() - began < 4.9


async def test_the_first_page_of_a_service_that_nobody_is_on_call_for_is_warned_of(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, HEARS) as router:
        one = await opened(router)
        router.clock.pass_(minutes=10)
        await router.service.reconciler.confirm(timedelta(minutes=2))
        assert "unconfirmed" in [entry["kind"] for entry in (await incident(router, one))["timeline"]]


async def test_an_older_event_that_comes_after_a_newer_one_is_told_and_does_nothing(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, HEARS) as router:
        pagerduty = PagerDuty(router)
        one = await pagerduty.opened("NoRunbook", "P1")
        await pagerduty.say("incident.unacknowledged", "P1", occurred_at="2026-11-23T03:05:00Z")
        await pagerduty.say("incident.acknowledged", "P1", occurred_at="2026-11-23T03:01:00Z")
        found = await incident(router, one)
        assert (found["status"], texts(found)[-1]) == ("triggered", "In PagerDuty acknowledged by Bia")
        await pagerduty.say("incident.acknowledged", "P1", occurred_at="2026-11-23T03:06:00Z")
        assert await statuses(router, one) == ["acknowledged"]


async def test_the_same_event_under_another_webhook_id_counts_once(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, HEARS) as router:
        pagerduty = PagerDuty(router)
        one = await pagerduty.opened("NoRunbook", "P1")
        await pagerduty.say("incident.acknowledged", "P1", event_id="E1")
        await pagerduty.say("incident.unacknowledged", "P1", agent=None)
        await pagerduty.say("incident.acknowledged", "P1", event_id="E1")
        assert await statuses(router, one) == ["triggered"]


async def test_the_reconciler_comes_round_to_the_oldest(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "_MOST_OPEN", 2)
    async with asking(url, tmp_path) as (router, rest):
        ids = []
        for name in "abcde":
            router.clock.pass_(seconds=1)
            ids.append(await opened(router, group=name, instance=name))
            rest.opens(ids[-1], f"P{name}", status="acknowledged")
        for _ in range(3):
            await router.service.reconciler.reconcile()
        assert await statuses(router, *ids) == ["acknowledged"] * 5


async def test_our_own_acknowledge_of_one_incident_acknowledges_those_that_pagerduty_grouped_with_it(
    url: str, tmp_path: Path
) -> None:
    async with running(url, tmp_path, HEARS) as router:
        pagerduty = PagerDuty(router)
        first, second = [await pagerduty.opened("NoRunbook", "P1", group=name, instance=name) for name in "ab"]
        await act(router, first, "acknowledge")
        await router.settled()
        await pagerduty.say("incident.acknowledged", "P1", agent=INTEGRATION)
        assert await statuses(router, first, second) == ["acknowledged", "acknowledged"]


async def test_a_body_of_256_kb_is_read(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, HEARS) as router:
        pagerduty = PagerDuty(router)
        one = await pagerduty.opened("NoRunbook", "P1")
        await pagerduty.say("incident.acknowledged", "P1", data={"title": "x" * (256 * 1024)})
        assert await statuses(router, one) == ["acknowledged"]
