"""Dead letters and what waits, in the hands of people: retry, discard, and what the figures say."""

from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alertrouter import backlog
from alertrouter.backlog import Backlog
from alertrouter.deliveries import DeliveryState, NotPossibleError, Trigger, check_discard, check_retry
from alertrouter.incidents import Action
from alertrouter.store.outbox import LEASE_SECONDS
from browsing import see
from processes import notification
from serving import Running, running, until


async def fault(router: Running, mode: str, **given: Any) -> None:
    (await router.pagerduty.post("/faults", json={"mode": mode, **given})).raise_for_status()


async def heal(router: Running) -> None:
    (await router.pagerduty.delete("/faults")).raise_for_status()


async def opened(router: Running, group: str = "g") -> str:
    [incident] = (await router.post(notification("NoRunbook", group=group))).json()["incidents"]
    return str(incident)


async def refused(router: Running, group: str = "g") -> tuple[str, int]:
    """An incident whose page is dead, and the delivery."""
    await fault(router, "400", count=2)
    incident = await opened(router, group)
    await router.settled()
    [delivery] = await deliveries(router, incident)
    assert delivery["state"] == "dead"
    return incident, delivery["id"]


async def deliveries(router: Running, incident: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await router.http.get(f"/api/v1/incidents/{incident}")).json()["deliveries"]
    return found


async def states(router: Running, incident: str) -> list[tuple[str, str]]:
    return [(one["action"], one["state"]) for one in await deliveries(router, incident)]


async def told(router: Running, incident: str) -> list[str]:
    found = (await router.http.get(f"/api/v1/incidents/{incident}")).json()["timeline"]
    return [entry["text"] for entry in found if entry["kind"].startswith("delivery_")]


async def ask(router: Running, delivery: int | str, action: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = await router.http.post(f"/api/v1/deliveries/{delivery}/{action}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def acted(router: Running, incident: str, action: str) -> None:
    (await router.http.post(f"/api/v1/incidents/{incident}/{action}", json={"by": "ana"})).raise_for_status()


async def failing(router: Running, incident: str, attempts: int) -> dict[str, Any]:
    """The newest delivery once it has failed so often, the clock going on to each next attempt."""

    async def failed() -> dict[str, Any] | None:
        last = (await deliveries(router, incident))[-1]
        is_leased = datetime.fromisoformat(last["due_at"]) == router.clock.now + timedelta(seconds=LEASE_SECONDS)
        return last if last["attempts"] >= number and not (is_leased or router.service.worker._in_flight) else None

    for number in range(1, attempts + 1):
        router.service.worker.poke()
        found: dict[str, Any] = await until(failed)
        if number < attempts:
            router.clock.now = datetime.fromisoformat(found["due_at"]) + timedelta(seconds=1)
    return found


async def test_a_dead_page_that_is_retried_goes_out_whole_and_who_did_it_is_told(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        incident, delivery = await refused(router)
        answer = await ask(router, delivery, "retry", by="ana")
        assert (answer["id"], answer["state"], answer["incident"]) == (delivery, "pending", incident)
        events = await router.settled()
        assert "custom_details" in events[-1]["payload"]
        assert await states(router, incident) == [("trigger", "sent")]
        assert [alert["dedup_key"] for alert in await router.alerts()] == [incident]
        assert (await told(router, incident))[-1] == "ana has the trigger to oncall sent again"


async def test_a_page_that_is_refused_again_is_cut_again_and_then_dead_again(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        incident, delivery = await refused(router)
        await fault(router, "400", count=2)
        await ask(router, delivery, "retry")
        events = await router.settled()
        assert ["custom_details" in one["payload"] for one in events] == [True, False, True, False]
        assert await states(router, incident) == [("trigger", "dead")]


async def test_pagerdutys_own_errors_are_kept_and_shown_even_where_the_cut_event_is_taken(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "400", count=1)
        incident = await opened(router)
        await router.settled()
        assert await states(router, incident) == [("trigger", "sent")]
        line = "PagerDuty refused the trigger to oncall; it goes out once more, cut to the required fields: "
        assert await told(router, incident) == [line + "this refusal was ordered by a fault"]
        dead, delivery = await refused(router, "another")
        for path in ("/", f"/incidents/{dead}"):
            assert "this refusal was ordered by a fault" in (await see(router, path)).text
        [listed] = (await router.http.get("/api/v1/deliveries?state=dead")).json()["deliveries"]
        assert (listed["id"], listed["error"]) == (delivery, "this refusal was ordered by a fault")


async def test_an_acknowledgement_without_a_page_follows_the_page_that_is_retried(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        incident, delivery = await refused(router)
        await acted(router, incident, "acknowledge")
        await router.settled()
        assert await states(router, incident) == [("trigger", "dead"), ("acknowledge", "superseded")]
        await ask(router, delivery, "retry")
        await router.settled()
        assert await states(router, incident) == [("trigger", "sent"), ("acknowledge", "sent")]
        assert [alert["status"] for alert in await router.alerts()] == ["acknowledged"]


async def test_delays_grow_to_about_a_minute_for_as_long_as_the_incident_is_open_and_a_retry_does_not_wait(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "500", count=1000)
        incident = await opened(router)
        first = await failing(router, incident, 1)
        assert datetime.fromisoformat(first["due_at"]) - router.clock.now <= timedelta(seconds=1)
        last = await failing(router, incident, 12)
        assert timedelta(seconds=30) <= datetime.fromisoformat(last["due_at"]) - router.clock.now <= timedelta(seconds=60)
        assert (last["state"], last["error"]) == ("pending", "the answer was 500")
        await heal(router)
        router.clock.pass_(seconds=1)  # a failing key's pause
        assert (await ask(router, last["id"], "retry", by="ana"))["state"] == "pending"
        await router.settled()
        assert await states(router, incident) == [("trigger", "sent")]
        assert (await told(router, incident)) == ["ana has the trigger to oncall sent again"]


async def test_an_owed_resolve_goes_on_until_it_is_accepted(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        incident = await opened(router)
        await router.settled()
        await fault(router, "500", count=1000)
        await acted(router, incident, "resolve")
        owed = await failing(router, incident, 10)
        assert (owed["action"], owed["state"]) == ("resolve", "pending")
        router.clock.pass_(hours=20)
        await failing(router, incident, 11)
        await heal(router)
        router.clock.pass_(minutes=2)
        await router.settled()
        assert await states(router, incident) == [("trigger", "sent"), ("resolve", "sent")]
        assert [alert["status"] for alert in await router.alerts()] == ["resolved"]


async def test_what_is_being_sent_is_not_sent_a_second_time_by_a_retry(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "slow", count=1, seconds=1)
        incident = await opened(router)
        await until(lambda: is_leased(router, incident))
        [delivery] = await deliveries(router, incident)
        assert (await ask(router, delivery["id"], "retry", by="ana"))["due_at"] == delivery["due_at"]
        assert await told(router, incident) == []
        assert len(await router.settled()) == 1


async def is_leased(router: Running, incident: str) -> bool:
    return bool((await deliveries(router, incident))[0]["attempts"])


async def test_what_is_discarded_is_superseded_and_the_story_says_by_whom_and_what_it_was(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as router:
        incident, delivery = await refused(router)
        assert (await ask(router, delivery, "discard", by=" Ana \n Reis"))["state"] == "superseded"
        assert (await told(router, incident))[-1] == (
            "Ana Reis dropped the trigger to oncall: this refusal was ordered by a fault"
        )
        assert (await router.http.get("/api/v1/deliveries?state=dead")).json()["deliveries"] == []
        assert "PagerDuty refused" not in (await see(router, "/")).text
        await acted(router, incident, "resolve")
        assert len(await router.settled()) == 2, "there is nothing in PagerDuty to resolve"


async def test_a_page_whose_answer_was_lost_is_still_resolved_after_it_was_discarded(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "drop", count=1)
        incident = await opened(router)
        delivery = await failing(router, incident, 1)
        await ask(router, delivery["id"], "discard", by="ana")
        await acted(router, incident, "resolve")
        await router.settled()
        assert await states(router, incident) == [("trigger", "superseded"), ("resolve", "sent")]
        assert [alert["status"] for alert in await router.alerts()] == ["resolved"]


async def test_what_the_state_does_not_allow_is_409_with_one_clear_line(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        incident, dead = await refused(router)
        await acted(router, incident, "resolve")
        await router.settled()
        superseded = (await deliveries(router, incident))[-1]["id"]
        fine = await opened(router, "another")
        await router.settled()
        [sent] = [one["id"] for one in await deliveries(router, fine)]
        for delivery, action, line in [
            (dead, "retry", f"delivery {dead}: the incident is resolved: its trigger is not sent any more"),
            (superseded, "retry", f"delivery {superseded}: it is superseded: only what is dead or pending can be retried"),
            (superseded, "discard", f"delivery {superseded}: it is superseded: only what is dead or pending can be discarded"),
            (sent, "retry", f"delivery {sent}: it is sent: only what is dead or pending can be retried"),
            (sent, "discard", f"delivery {sent}: it is sent: only what is dead or pending can be discarded"),
        ]:
            assert await ask(router, delivery, action, 409) == {"error": line}
        assert await states(router, incident) == [("trigger", "dead"), ("resolve", "superseded")]


@pytest.mark.parametrize("delivery", ["0", "4711", "-1", "x", "9" * 18, "9" * 40, "٣"])
async def test_a_delivery_that_is_none_is_404(delivery: str, database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        for action in ("retry", "discard"):
            assert list(await ask(router, delivery, action, 404)) == ["error"]
            assert (await router.http.post(f"/deliveries/{delivery}/{action}")).status_code == 404


async def test_the_api_asks_for_its_token_and_for_a_name_that_is_text(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, {"ALERTROUTER_API_TOKENS": "secret"}) as router:
        path = "/api/v1/deliveries/1/retry"
        assert (await router.http.post(path)).status_code == 401
        answer = await router.http.post(path, json={"by": 7}, headers={"Authorization": "Bearer secret"})
        assert (answer.status_code, answer.json()) == (400, {"error": "by: Input should be a valid string"})


async def test_the_on_call_page_has_buttons_for_the_dead_that_work_without_a_script(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        incident, delivery = await refused(router)
        page = await see(router, "/")
        assert page.all("form", "action")[1:] == [f"/deliveries/{delivery}/retry"]
        assert page.all("button", "formaction") == [f"/deliveries/{delivery}/discard"]
        elsewhere = await router.http.post(f"/deliveries/{delivery}/discard", headers={"Sec-Fetch-Site": "cross-site"})
        assert elsewhere.status_code == 403
        answer = await router.http.post(f"/deliveries/{delivery}/retry", data={"by": "Ana"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        await router.settled()
        again = await router.http.post(f"/deliveries/{delivery}/retry", data={"by": "Ana"})
        assert again.status_code == 409
        assert "Nothing was done. Delivery 1: it is sent" in again.text
        assert "Ana has the trigger to oncall sent again" in (await see(router, f"/incidents/{incident}")).text


async def test_the_figures_tell_what_pagerduty_has_not_got_and_since_when(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        assert backlog.measure(router.service.database) == Backlog(0, 0, 0.0, {}, 0.0, {})
        await refused(router)
        await fault(router, "500", count=100)
        await failing(router, await opened(router, "another"), 1)
        router.clock.pass_(seconds=90)
        assert backlog.measure(router.service.database) == Backlog(1, 1, 90.0, {("critical", "oncall"): 2}, 0.0, {})
        shown = (await router.http.get("/metrics")).text
        for name in (
            'alertrouter_outbox_deliveries{state="dead"}',
            'alertrouter_outbox_deliveries{state="pending"}',
            "alertrouter_outbox_oldest_pending_seconds",
        ):
            assert name in shown


@pytest.mark.parametrize(
    ("action", "state", "trigger", "is_open", "why"),
    [
        ("trigger", "dead", Trigger("dead", False, None), True, ""),
        ("trigger", "pending", Trigger("pending", True, None), True, ""),
        ("trigger", "dead", Trigger("dead", True, None), False, "the incident is resolved: its trigger is not sent any more"),
        ("trigger", "pending", Trigger("pending", False, None), False, "the incident is resolved"),
        ("acknowledge", "pending", Trigger("pending", False, None), True, ""),  # it waits for its trigger
        ("acknowledge", "dead", Trigger("sent", False, None), True, ""),
        ("acknowledge", "dead", Trigger("dead", False, None), True, "PagerDuty has not got the page that it is about"),
        ("acknowledge", "dead", Trigger("sent", False, None), False, "the incident is resolved"),
        ("resolve", "dead", Trigger("sent", False, None), False, ""),
        ("resolve", "dead", Trigger("superseded", True, None), False, ""),  # an answer was lost
        ("resolve", "dead", Trigger("superseded", False, None), False, "the trigger is superseded"),
        ("resolve", "sent", Trigger("sent", False, None), False, "it is sent"),
        ("trigger", "superseded", Trigger("superseded", False, None), True, "it is superseded"),
    ],
)
def test_what_can_be_retried(action: Action, state: DeliveryState, trigger: Trigger, is_open: bool, why: str) -> None:
    with pytest.raises(NotPossibleError, match=why) if why else nullcontext():
        check_retry(action, state, trigger, is_open=is_open, is_acknowledged=True)


def test_an_acknowledgement_that_was_taken_back_cannot_be_retried() -> None:
    with pytest.raises(NotPossibleError, match="taken back"):
        check_retry("acknowledge", "dead", Trigger("sent", False, None), is_open=True, is_acknowledged=False)


@pytest.mark.parametrize(("state", "allowed"), [("dead", True), ("pending", True), ("sent", False), ("superseded", False)])
def test_what_can_be_discarded(state: DeliveryState, allowed: bool) -> None:
    with nullcontext() if allowed else pytest.raises(NotPossibleError, match=state):
        check_discard(state)
