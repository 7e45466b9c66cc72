"""Change events: taken, sent on apart from the pages, and shown beside what broke soon after."""

import asyncio
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from alertrouter import forwarding
from alertrouter.changes import GIVE_UP_AFTER, MalformedChangeError, Record, at_its_time, parse, record
from alertrouter.pagerduty.client import CHANGES, EventsClient
from alertrouter.pagerduty.outcomes import Failed, Limited, Outcome, Refused, Sent
from alertrouter.routing import Routing, Target
from alertrouter.sandbox import create_sandbox
from alertrouter.store.outbox import LEASE_SECONDS
from alertrouter.tables import ChangeRow
from browsing import see
from processes import notification
from serving import KEYS, START, Running, running, serve, until

MINUTE = timedelta(minutes=1)


async def told(router: Running, **change: Any) -> int:
    answer = await router.http.post("/webhooks/change", json={"summary": "deploy 1.2.3", **change})
    assert (answer.status_code, list(answer.json())) == (202, ["id"]), answer.text
    return int(answer.json()["id"])


async def row(router: Running, number: int) -> ChangeRow:
    def read() -> ChangeRow:
        with router.service.database.read() as session:
            return session.exec(select(ChangeRow).where(ChangeRow.id == number)).one()

    return await asyncio.to_thread(read)


async def has_come_to(router: Running, number: int, state: str, attempts: int = 1) -> ChangeRow:
    """The change once so many attempts are on record."""

    async def recorded() -> ChangeRow | None:
        found = await row(router, number)
        is_leased = found.due_at == router.clock.now + timedelta(seconds=LEASE_SECONDS)
        return found if found.state == state and found.attempts >= attempts and not is_leased else None

    router.service.worker.poke()
    found: ChangeRow = await until(recorded)
    return found


async def received(router: Running) -> list[dict[str, Any]]:
    """The change events that PagerDuty got, in order."""
    events = (await router.pagerduty.get("/events")).json()["events"]
    return [one for one in events if one["kind"] == "change"]


async def fault(router: Running, mode: str, **given: Any) -> None:
    (await router.pagerduty.post("/faults", json={"mode": mode, **given})).raise_for_status()


async def opened(router: Running) -> str:
    [incident] = (await router.post(notification("NoRunbook"))).json()["incidents"]
    return str(incident)


async def test_a_change_is_kept_and_sent_to_the_default_target_with_all_that_was_said(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        number = await told(
            router,
            source="ci",
            links=[{"href": "https://ci.test/7", "text": "Build 7"}, {"href": "https://git.test"}, {"href": ""}],
            details={"commit": "abc", "files": [1, 2]},
            at="2026-11-23T03:55:00+01:00",
        )
        assert (await has_come_to(router, number, "sent")).sent_at == START
        [one] = await received(router)
    assert (one["routing_key"], one["status"], one["errors"]) == ("oncall", 202, [])
    assert one["event"] == {
        "payload": {
            "summary": "deploy 1.2.3",
            "source": "ci",
            "timestamp": "2026-11-23T02:55:00.000Z",
            "custom_details": {"commit": "abc", "files": [1, 2]},
        },
        "links": [{"href": "https://ci.test/7", "text": "Build 7"}, {"href": "https://git.test", "text": "https://git.test"}],
    }


@pytest.mark.parametrize(
    ("target", "key"), [("engineering", "engineering"), ("Engenharia", "engineering"), (None, "oncall"), ("", "oncall")]
)
async def test_a_change_goes_to_one_target_by_name_or_alias(target: str | None, key: str, url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        await has_come_to(router, await told(router, target=target), "sent")
        assert [one["routing_key"] for one in await received(router)] == [key]


async def test_a_change_for_nobody_is_recorded_and_sent_nowhere(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        number = await told(router, target="none")
        await has_come_to(router, await told(router), "sent")
        assert (await row(router, number)).state == "recorded"
        assert len(await received(router)) == 1


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"", "the body is not JSON: Input data was truncated"),
        (b"\xff", "the body is not JSON: JSON is malformed: invalid character (byte 0)"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "Object missing required field `summary`"),
        (b'{"summary": 3}', "Expected `str`, got `int` - at `$.summary`"),
        (b'{"summary": " \\u0000\\n"}', "summary is empty"),
        (b'{"summary": "x", "target": "nobody"}', "there is no target 'nobody'"),
        (b'{"summary": "x", "target": "all"}', "there is no target 'all'"),
        (b'{"summary": "x", "links": [{}]}', "Object missing required field `href` - at `$.links[0]`"),
        (
            b'{"summary": "x", "links": [{"href": "ftp://x"}]}',
            "'ftp://x' is not an http or https address of at most 2000 characters",
        ),
        (b'{"summary": "x", "details": []}', "Expected `object | null`, got `array` - at `$.details`"),
        (b'{"summary": "x", "details": {"a": ' + b"[" * 60 + b"]" * 60 + b"}}", "details is nested too deeply"),
        (b'{"summary": "x", "x": ' + b"[" * 200_000, "the body is nested too deeply"),
        (b'{"summary": "x", "at": "yesterday"}', "Invalid RFC3339 encoded datetime - at `$.at`"),
        (b'{"summary": "x", "at": "2026-11-23T03:00:00"}', "Expected `datetime` with a timezone component - at `$.at`"),
        (b'{"summary": "x", "at": "0001-01-01T00:00:00+10:00"}', "at is no time that can be"),
    ],
)
async def test_what_is_no_change_is_400_with_one_clear_line(body: bytes, line: str, url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        for path in ("/webhooks/change", "/webhooks/change/"):
            answer = await router.http.post(path, content=body)
            assert (answer.status_code, answer.json()) == (400, {"error": line})


async def test_a_change_wants_a_webhook_token_where_there_are_tokens_and_too_large_a_one_is_413(url: str, tmp_path: Path) -> None:
    env = {"ALERTROUTER_WEBHOOK_TOKENS": "hook", "ALERTROUTER_API_TOKENS": "api"}
    async with running(url, tmp_path, env) as router:
        for authorization, content, status in [
            (None, b'{"summary": "x"}', 401),
            ("Bearer api", b'{"summary": "x"}', 401),
            ("Bearer hook", b'{"summary": "x"}', 202),
            ("Bearer hook", b" " * 1_100_000, 413),
        ]:
            headers = {"Authorization": authorization} if authorization else {}
            answer = await router.http.post("/webhooks/change", content=content, headers=headers)
            assert answer.status_code == status


async def test_a_change_that_cannot_be_stored_is_503(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = await router.http.post("/webhooks/change", json={"summary": "x"})
        other.execute("ROLLBACK")
        other.close()
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("not stored, try again: ")


async def test_a_change_is_retried_with_growing_delays_for_an_hour_and_then_left(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "500", count=1000)
        number = await told(router)
        delays = []
        for attempt in range(1, 11):
            found = await has_come_to(router, number, "pending", attempt)
            delays.append(found.due_at - router.clock.now)
            router.clock.now = found.due_at
        assert delays[0] <= timedelta(seconds=1)
        assert all(delay >= timedelta(seconds=30) for delay in delays[7:])
        assert max(delays) <= MINUTE
        router.clock.now = START + GIVE_UP_AFTER
        assert (await has_come_to(router, number, "dead", 11)).error == "given up after an hour: the answer was 500"
        router.clock.pass_(hours=1)
        await has_come_to(router, await told(router), "pending")
        assert (await row(router, number)).attempts == 11
        await router.pagerduty.delete("/faults")


@pytest.mark.parametrize("mode", ["429", "401", "drop", "html"])
async def test_a_change_that_did_not_get_through_is_sent_again(mode: str, database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, mode, count=1)
        number = await told(router)
        found = await has_come_to(router, number, "pending")
        assert found.error
        router.clock.now = found.due_at
        await has_come_to(router, number, "sent", 2)


async def test_a_change_that_pagerduty_refuses_is_dead_with_its_errors_and_shown_so(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "400", count=1)
        number = await told(router)
        assert (await has_come_to(router, number, "dead")).attempts == 1
        incident = await opened(router)
        page = await see(router, f"/incidents/{incident}")
        assert "PagerDuty has not got it: this refusal was ordered by a fault" in page.text


async def test_a_target_that_has_gone_leaves_its_changes_waiting(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        await fault(router, "500", count=1)
        number = await told(router, target="dba")
        found = await has_come_to(router, number, "pending")
        await router.rotate(Routing([Target("oncall", KEYS["oncall"])], (), "oncall"))
        router.clock.now = found.due_at
        assert (await has_come_to(router, number, "pending", 2)).error == "no routing key is configured for dba"


async def test_a_change_outlives_a_restart(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "500", count=1000)
        number = await told(router)
        await has_come_to(router, number, "pending")
    async with running(database_url, tmp_path) as router:
        router.clock.pass_(minutes=1)
        await has_come_to(router, number, "sent", 2)
        assert len(await received(router)) == 1


async def test_pages_go_out_while_changes_hang(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await fault(router, "hang", count=100, seconds=3, routing_key="dba")
        for _ in range(6):
            await told(router, target="dba")
        await until(lambda: received(router))
        incident = await opened(router)
        await until(lambda: is_paged(router, incident), 2)
        assert {(await row(router, number)).sent_at for number in range(1, 7)} == {None}


async def are_received(router: Running, count: int) -> bool:
    return len(await received(router)) == count


async def is_paged(router: Running, incident: str) -> bool:
    return any(one["dedup_key"] == incident for one in await router.alerts())


async def test_a_flood_of_changes_leaves_pagerdutys_allowance_to_the_pages(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "_MOST_A_MINUTE", 6)
    async with running(url, tmp_path) as router:
        for _ in range(9):
            await told(router)
        await until(lambda: are_received(router, 6))
        await has_come_to(router, 6, "sent")
        router.service.worker.poke()
        await router.settled()
        assert len(await received(router)) == 6
        assert (await row(router, 7)).attempts == 0


async def test_the_changes_of_the_hour_before_are_shown_beside_an_incident_the_latest_first(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as router:
        router.clock.pass_(hours=2)
        now = router.clock.now
        for summary, at in [
            ("too old", now - 61 * MINUTE),
            ("oldest shown", now - 60 * MINUTE),
            ("<b>deploy</b>", now - 12 * MINUTE),
            ("to come", now + MINUTE),
        ]:
            await told(router, summary=summary, at=at.isoformat(), target="dba", links=[{"href": "https://ci.test/7"}])
        number = await told(router, summary="just now")
        incident = await opened(router)
        shown = (await router.http.get(f"/api/v1/incidents/{incident}")).json()["changes"]
        assert [one["summary"] for one in shown] == ["just now", "<b>deploy</b>", "oldest shown"]
        assert shown[0].keys() == {"id", "at", "summary", "source", "links", "details", "target", "state", "error"}
        assert (shown[0]["id"], shown[0]["target"], shown[1]["target"]) == (number, "oncall", "dba")
        assert shown[1]["links"] == [{"href": "https://ci.test/7", "text": "https://ci.test/7"}]
        page = await see(router, f"/incidents/{incident}")
        assert "Changes just before just now" in page.text
        assert "<b>deploy</b> 2026-11-23 04:48:00 UTC, 12 min before · https://ci.test/7" in page.text
        assert "https://ci.test/7" in page.all("a", "href")
        assert "to come" not in page.text
        listed = (await router.http.get("/api/v1/incidents")).json()["incidents"]
        assert "changes" not in listed[0]


async def test_an_incident_without_changes_says_nothing_of_them(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        incident = await opened(router)
        assert "Changes" not in (await see(router, f"/incidents/{incident}")).text
        assert (await router.http.get(f"/api/v1/incidents/{incident}")).json()["changes"] == []


async def test_a_change_of_any_size_is_taken_by_a_strict_pagerduty() -> None:
    body = {
        "summary": "\0 deploy\n" + "é" * 5000,
        "source": "s" * 5000,
        "links": [{"href": f"https://x.test/{number}", "text": "t" * 5000} for number in range(100)],
        "details": {
            "long": "\u0001ü" * 100_000,
            **{f"k{number}": "v" * 1000 for number in range(800)},
            "deep": [[[{"a": None}]]],
        },
    }
    posted = parse(json.dumps(body).encode())
    assert posted.event["payload"]["custom_details"]["…"] == "the rest was cut off"
    async with serve(create_sandbox()) as url:
        client = EventsClient(url)
        assert await client.send(at_its_time(posted.event, START), KEYS["oncall"], CHANGES) == Sent()
        await client.aclose()


def test_unknown_fields_and_nulls_are_no_trouble() -> None:
    posted = parse(b'{"summary": "x", "target": null, "source": null, "links": null, "details": null, "at": null, "by": 7}')
    assert (posted.event, posted.target, posted.at) == ({"payload": {"summary": "x"}}, None, None)


def test_a_time_is_read_in_any_zone() -> None:
    assert parse(b'{"summary": "x", "at": "2026-11-23T03:00:00.1234567-03:00"}').at == datetime(
        2026, 11, 23, 6, 0, 0, 123457, tzinfo=UTC
    )


def test_a_link_that_is_none_is_said_to_be() -> None:
    with pytest.raises(MalformedChangeError, match="javascript:alert"):
        parse(b'{"summary": "x", "links": [{"href": "javascript:alert(1)"}]}')


@pytest.mark.parametrize(
    ("outcome", "now", "expected"),
    [
        (Sent(), START, Record("sent", START, None, START)),
        (Refused(("a", "b")), START, Record("dead", START, "a; b", None)),
        (Limited(None), START, Record("pending", START + MINUTE, "PagerDuty asked to slow down (429)", None)),
        (Failed("why", warn=False, reached=True), START + 59 * MINUTE, Record("pending", START + 60 * MINUTE, "why", None)),
        (
            Failed("why", warn=False, reached=True),
            START + 59.1 * MINUTE,
            Record("dead", START + 59.1 * MINUTE, "given up after an hour: why", None),
        ),
        (Sent(), START + 99 * MINUTE, Record("sent", START + 99 * MINUTE, None, START + 99 * MINUTE)),
    ],
)
def test_what_an_attempt_leaves(outcome: Outcome, now: datetime, expected: Record) -> None:
    assert record(START, outcome, now, MINUTE) == expected
