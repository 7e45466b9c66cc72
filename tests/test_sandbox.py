"""The sandbox refuses what PagerDuty refuses, keeps alerts as PagerDuty keeps them, and fails when it is told to."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount

from alertrouter.sandbox import Received, create_sandbox
from alertrouter.sandbox.schema import read

KEY, OTHER_KEY = "a1B2" * 8, "0" * 28 + "wxyz"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAYLOAD = {"summary": "Disk full", "source": "db-1", "severity": "error"}
TRIGGER: dict[str, Any] = {"routing_key": KEY, "event_action": "trigger", "dedup_key": "d1", "payload": PAYLOAD}
RESOLVE: dict[str, Any] = {"routing_key": KEY, "event_action": "resolve", "dedup_key": "d1"}
ACKNOWLEDGE = RESOLVE | {"event_action": "acknowledge"}
CHANGE: dict[str, Any] = {"routing_key": KEY, "payload": {"summary": "Deploy 1.2.3"}}


def payload(**fields: object) -> dict[str, Any]:
    return TRIGGER | {"payload": PAYLOAD | fields}


def without(event: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != name}


def client(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox")


@pytest.fixture
async def sandbox() -> AsyncIterator[httpx.AsyncClient]:
    """A sandbox that knows KEY as oncall; its clock stands at noon."""
    async with client(create_sandbox(lambda: NOON, names={KEY: "oncall"})) as http:
        yield http


async def send(http: httpx.AsyncClient, *events: dict[str, Any]) -> list[int]:
    return [(await http.post("/v2/enqueue", json=event)).status_code for event in events]


async def alerts(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get("/alerts")).json()["alerts"]
    return found


REFUSED = [
    # who it is for
    (without(TRIGGER, "routing_key"), ["routing_key"]),
    (TRIGGER | {"routing_key": "a" * 31}, ["routing_key"]),
    (TRIGGER | {"routing_key": "a" * 31 + "-"}, ["routing_key"]),
    (TRIGGER | {"routing_key": "a" * 32 + "\n"}, ["routing_key"]),
    (TRIGGER | {"routing_key": None}, ["routing_key"]),
    # what it asks
    (without(TRIGGER, "event_action"), ["event_action"]),
    (TRIGGER | {"event_action": "Trigger"}, ["event_action"]),
    (TRIGGER | {"event_action": ["trigger"]}, ["event_action"]),
    # the dedup key: 255 characters at most, and only a trigger goes without
    (TRIGGER | {"dedup_key": "d" * 256}, ["dedup_key"]),
    (without(RESOLVE, "dedup_key"), ["dedup_key"]),
    (without(ACKNOWLEDGE, "dedup_key"), ["dedup_key"]),
    (RESOLVE | {"dedup_key": ""}, ["dedup_key"]),
    # the payload of a trigger
    (without(TRIGGER, "payload"), ["payload"]),
    (TRIGGER | {"payload": {}}, ["payload.summary", "payload.source", "payload.severity"]),
    (TRIGGER | {"payload": "Disk full"}, ["payload"]),
    (payload(summary=" "), ["payload.summary"]),
    (payload(summary="s" * 1025), ["payload.summary"]),
    (payload(source=""), ["payload.source"]),
    (payload(severity="Critical"), ["payload.severity"]),
    (payload(severity="page"), ["payload.severity"]),
    (payload(timestamp="yesterday"), ["payload.timestamp"]),
    (payload(component=7), ["payload.component"]),
    (payload(group=[]), ["payload.group"]),
    (payload(**{"class": None}), ["payload.class"]),
    (payload(custom_details="text"), ["payload.custom_details"]),
    # links and images are top-level, and no entry is empty
    (payload(links=[{"href": "https://example.org"}]), ["payload.links"]),
    (TRIGGER | {"links": [{"text": "runbook"}]}, ["links.0.href"]),
    (TRIGGER | {"links": [{"href": "https://example.org"}, {"href": ""}]}, ["links.1.href"]),
    (TRIGGER | {"links": [{"href": "javascript:alert(1)"}]}, ["links.0.href"]),
    (TRIGGER | {"links": {"href": "https://example.org"}}, ["links"]),
    (TRIGGER | {"images": [{"src": "http://example.org/a.png"}]}, ["images.0.src"]),
    (TRIGGER | {"client_url": "javascript:alert(1)"}, ["client_url"]),
    (RESOLVE | {"client_url": "alertmanager"}, ["client_url"]),
    # fields that do not exist
    (TRIGGER | {"description": "v1"}, ["description"]),
    (payload(details={}), ["payload.details"]),
    # everything at once
    (TRIGGER | {"routing_key": "k", "dedup_key": 1, "payload": {"severity": "x"}},
     ["routing_key", "dedup_key", "payload.summary", "payload.source", "payload.severity"]),
]  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize(("event", "fields"), REFUSED)
async def test_a_wrong_event_is_refused_with_everything_that_is_wrong(
    sandbox: httpx.AsyncClient, event: dict[str, Any], fields: list[str]
) -> None:
    response = await sandbox.post("/v2/enqueue", json=event)
    answer = response.json()
    assert response.status_code == 400
    assert (answer["status"], answer["message"]) == ("invalid event", "Event object is invalid")
    assert sorted(error.partition(":")[0] for error in answer["errors"]) == sorted(fields)
    assert await alerts(sandbox) == []


ACCEPTED = [
    TRIGGER,
    payload(summary="é" * 1024, severity="critical"),
    payload(timestamp="2026-03-01T12:00:00.123+02:00", component="c", group="g", custom_details={"a": {"b": [1, None]}}),
    payload(**{"class": "disk"}),
    # control characters are the phone's trouble
    payload(summary="a\0b\x1b[31m", custom_details={"\0": "\0"}),
    TRIGGER | {"dedup_key": "d" * 255},
    TRIGGER | {"links": [{"href": "https://example.org/a%20b", "text": "runbook"}]},
    TRIGGER | {"images": [{"src": "https://example.org/a.png", "href": "http://example.org", "alt": "graph"}]},
    TRIGGER | {"client": "alertrouter", "client_url": "http://127.0.0.1:8080/incidents/1"},
    # these need no payload, and what they speak of need not exist
    ACKNOWLEDGE,
    RESOLVE,
    RESOLVE | {"payload": PAYLOAD},
    # as Alertmanager's own PagerDuty receiver sends it
    RESOLVE | {"payload": PAYLOAD, "client": "Alertmanager", "client_url": "http://am:9093/#/alerts?receiver=pagerduty"},
]


@pytest.mark.anyio
@pytest.mark.parametrize("event", ACCEPTED)
async def test_a_right_event_is_accepted_and_its_dedup_key_answered(sandbox: httpx.AsyncClient, event: dict[str, Any]) -> None:
    response = await sandbox.post("/v2/enqueue", json=event)
    assert response.status_code == 202
    assert response.json() == {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
    assert (await sandbox.get("/")).status_code == 200


@pytest.mark.anyio
async def test_a_trigger_without_a_dedup_key_gets_one(sandbox: httpx.AsyncClient) -> None:
    keys = [(await sandbox.post("/v2/enqueue", json=without(TRIGGER, "dedup_key"))).json()["dedup_key"] for _ in "ab"]
    assert [alert["dedup_key"] for alert in await alerts(sandbox)] == keys
    assert len(set(keys)) == 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"a":"\\ud800"}', b'{"a":NaN}', b"[" * 100_000, b'{"a":' * 5_000]
)
async def test_what_is_no_json_object_is_refused_and_recorded(sandbox: httpx.AsyncClient, body: bytes) -> None:
    response = await sandbox.post("/v2/enqueue", content=body)
    (event,) = (await sandbox.get("/events")).json()["events"]
    assert response.status_code == 400
    assert (event["event"], event["status"], event["errors"]) == (None, 400, response.json()["errors"])


@pytest.mark.anyio
@pytest.mark.parametrize(("size", "status"), [(512_000, 202), (512_001, 413)])
async def test_a_body_of_more_than_512_000_bytes_is_too_large(sandbox: httpx.AsyncClient, size: int, status: int) -> None:
    padding = size - len(json.dumps(payload(custom_details={"a": ""})))
    body = json.dumps(payload(custom_details={"a": "x" * padding})).encode()
    assert len(body) == size
    assert (await sandbox.post("/v2/enqueue", content=body)).status_code == status


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("change", "status"),
    [
        (CHANGE, 202),
        (CHANGE | {"payload": {"summary": "s", "source": "ci", "timestamp": "2026-03-01T12:00:00Z", "custom_details": {}}}, 202),
        (CHANGE | {"links": [{"href": "https://example.org"}]}, 202),
        (CHANGE | {"payload": {"source": "ci"}}, 400),
        (CHANGE | {"payload": {"summary": "s" * 1025}}, 400),
        (CHANGE | {"payload": {"summary": "s", "severity": "info"}}, 400),
        (CHANGE | {"links": [{"href": ""}]}, 400),
        (CHANGE | {"dedup_key": "d"}, 400),
        (CHANGE | {"event_action": "trigger"}, 400),
        (without(CHANGE, "routing_key"), 400),
    ],
)
async def test_a_change_pages_nobody(sandbox: httpx.AsyncClient, change: dict[str, Any], status: int) -> None:
    response = await sandbox.post("/v2/change/enqueue", json=change)
    assert response.status_code == status
    assert "dedup_key" not in response.json()
    assert await alerts(sandbox) == []
    assert [one["kind"] for one in (await sandbox.get("/events")).json()["events"]] == ["change"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("events", "statuses"),
    [
        # a repeat is a log entry, acknowledged or not
        ([TRIGGER, TRIGGER], ["triggered"]),
        ([TRIGGER, ACKNOWLEDGE, TRIGGER], ["acknowledged"]),
        # after a resolve, the key is a new alert
        ([TRIGGER, RESOLVE], ["resolved"]),
        ([TRIGGER, RESOLVE, TRIGGER], ["resolved", "triggered"]),
        # what speaks of no open alert is dropped
        ([ACKNOWLEDGE, RESOLVE], []),
        ([TRIGGER, RESOLVE, ACKNOWLEDGE], ["resolved"]),
        # a key is a key of its integration, and its case counts
        ([TRIGGER, RESOLVE | {"routing_key": OTHER_KEY}], ["triggered"]),
        ([TRIGGER, TRIGGER | {"routing_key": OTHER_KEY}], ["triggered", "triggered"]),
        ([TRIGGER, RESOLVE | {"dedup_key": "D1"}], ["triggered"]),
    ],
)
async def test_each_alert_rings_once(sandbox: httpx.AsyncClient, events: list[dict[str, Any]], statuses: list[str]) -> None:
    assert await send(sandbox, *events) == [202] * len(events)
    found = await alerts(sandbox)
    assert [alert["status"] for alert in found] == statuses
    assert [alert["notifications"] for alert in found] == [1] * len(statuses)


@pytest.mark.anyio
async def test_a_repeat_raises_the_severity_and_leaves_the_title() -> None:
    moments = iter(NOON + timedelta(seconds=n) for n in range(100))
    async with client(create_sandbox(lambda: next(moments))) as http:
        await send(http, TRIGGER, payload(summary="Worse", severity="critical"), payload(severity="info", source="db-2"))
        (alert,) = await alerts(http)
    assert (alert["summary"], alert["severity"], alert["event"]["payload"]["source"]) == ("Disk full", "critical", "db-2")
    assert [entry["action"] for entry in alert["log"]] == ["trigger"] * 3
    assert datetime.fromisoformat(alert["opened_at"]) < datetime.fromisoformat(alert["updated_at"])


@pytest.mark.anyio
async def test_events_are_listed_in_order_and_followed_by_number(sandbox: httpx.AsyncClient) -> None:
    await send(sandbox, TRIGGER, TRIGGER | {"routing_key": "bad"}, RESOLVE)
    first = (await sandbox.get("/events")).json()
    assert [(one["n"], one["status"]) for one in first["events"]] == [(1, 202), (2, 400), (3, 202)]
    assert first["events"][0]["event"] == without(TRIGGER, "routing_key")
    assert (await sandbox.get("/events?since=2")).json() == {"events": first["events"][2:], "next": 3}
    assert (await sandbox.get("/events?since=3")).json() == {"events": [], "next": 3}
    assert (await sandbox.get("/events?since=x")).status_code == 400


@pytest.mark.anyio
async def test_no_routing_key_is_ever_shown(sandbox: httpx.AsyncClient) -> None:
    await sandbox.post("/faults", json={"mode": "500", "routing_key": OTHER_KEY})
    faults = await sandbox.post("/faults", json={"mode": "500", "routing_key": "oncall"})
    await send(sandbox, TRIGGER, TRIGGER, RESOLVE | {"routing_key": OTHER_KEY, "y": 1}, TRIGGER | {"x": 1})
    shown = faults.text + "".join([(await sandbox.get(path)).text for path in ("/", "/alerts", "/events")])
    assert KEY not in shown
    assert OTHER_KEY not in shown
    assert "oncall" in shown
    assert "…wxyz" in shown


@pytest.mark.anyio
async def test_the_page_shows_details_in_order_and_lets_no_markup_through(sandbox: httpx.AsyncClient) -> None:
    details = {"2 where": "<script>alert(1)</script>", "1 what": "disk", "3 more": {"é": [1]}}
    link = {"href": 'https://example.org/"><script>', "text": "<b>runbook</b>"}
    await send(sandbox, payload(summary="<i>Disk</i>", custom_details=details) | {"links": [link]}, TRIGGER | {"<u>": 1})
    page = (await sandbox.get("/")).text
    assert page.index("1 what") < page.index("2 where") < page.index("3 more")
    assert "&lt;script&gt;alert(1)" in page
    assert not [markup for markup in ("<script", "<i>", "<b>", "<u>") if markup in page]


@pytest.mark.anyio
async def test_the_page_and_its_links_work_below_a_prefix() -> None:
    async with client(Starlette(routes=[Mount("/sandbox", create_sandbox())])) as http:
        page = await http.get("/sandbox/")
        links = re.findall('href="([^"]+)"', page.text)
        assert [(await http.get(page.url.join(link))).status_code for link in links] == [200] * 5


@pytest.mark.anyio
async def test_whoever_listens_is_told_of_every_request() -> None:
    told: list[Received] = []
    async with client(create_sandbox(lambda: NOON, told.append)) as http:
        await send(http, TRIGGER, TRIGGER | {"payload": {}})
    assert [(one.n, one.status, one.received_at) for one in told] == [(1, 202, NOON), (2, 400, NOON)]
    assert KEY not in repr(told)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "status", "opened"),
    [
        ({"mode": "500"}, 500, 0),
        ({"mode": "429"}, 429, 0),
        ({"mode": "400"}, 400, 0),
        ({"mode": "401"}, 401, 0),
        ({"mode": "html"}, 200, 0),
        ({"mode": "empty"}, 202, 1),
        ({"mode": "slow", "seconds": 0}, 202, 1),
    ],
)
async def test_a_fault_meets_the_next_event_and_no_other(
    sandbox: httpx.AsyncClient, fault: dict[str, Any], status: int, opened: int
) -> None:
    assert (await sandbox.post("/faults", json=fault)).json()["faults"][0]["mode"] == fault["mode"]
    assert await send(sandbox, TRIGGER) == [status]
    assert len(await alerts(sandbox)) == opened
    assert await send(sandbox, TRIGGER | {"dedup_key": "d2"}) == [202]
    assert [one["fault"] for one in (await sandbox.get("/events")).json()["events"]] == [fault["mode"], None]


@pytest.mark.anyio
async def test_a_fault_may_wait_for_an_action_of_one_integration(sandbox: httpx.AsyncClient) -> None:
    await sandbox.post("/faults", json={"mode": "500", "count": 2, "action": "resolve", "routing_key": "oncall"})
    others = [TRIGGER, RESOLVE | {"routing_key": OTHER_KEY}]
    assert await send(sandbox, *others, RESOLVE, RESOLVE, RESOLVE) == [202, 202, 500, 500, 202]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"mode":"503"}', b'{"mode":"500","count":0}', b'{"mode":"500","x":1}', b'{"mode":"hang","seconds":1e9}'],
)
async def test_a_fault_that_makes_no_sense_is_refused(sandbox: httpx.AsyncClient, body: bytes) -> None:
    response = await sandbox.post("/faults", content=body)
    assert response.status_code == 400
    assert response.json()["error"]


@pytest.mark.anyio
async def test_faults_are_cleared_and_everything_is_forgotten(sandbox: httpx.AsyncClient) -> None:
    await sandbox.post("/faults", json={"mode": "500", "count": 9})
    await sandbox.delete("/faults")
    assert await send(sandbox, TRIGGER) == [202]
    await sandbox.post("/faults", json={"mode": "500"})
    await sandbox.post("/reset")
    assert await alerts(sandbox) == []
    assert (await sandbox.get("/events")).json()["events"] == []
    assert await send(sandbox, TRIGGER) == [202]
    assert (await sandbox.get("/healthz")).json() == {"status": "ok"}


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    """The app over a real socket; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await asyncio.wait_for(serving, 10)


@pytest.mark.anyio
async def test_an_answer_can_be_lost_after_the_event_was_accepted_or_before() -> None:
    async with served(create_sandbox()) as url, httpx.AsyncClient(base_url=url, timeout=5) as http:
        await http.post("/faults", json={"mode": "drop"})
        with pytest.raises(httpx.RemoteProtocolError):
            await send(http, TRIGGER)
        assert len(await alerts(http)) == 1

        await http.post("/faults", json={"mode": "hang", "seconds": 0.05})
        with pytest.raises(httpx.RemoteProtocolError):
            await send(http, RESOLVE)
        await http.post("/faults", json={"mode": "hang"})
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/v2/enqueue", json=RESOLVE, timeout=0.1)
        assert [alert["status"] for alert in await alerts(http)] == ["triggered"]
        assert [one["status"] for one in (await http.get("/events")).json()["events"]] == [None] * 3


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*TRIGGER, *PAYLOAD, "links", "href"]), inner),
    )
)
def test_no_body_surprises_the_schema(value: Any) -> None:
    event, errors = read("event", json.dumps(value).encode())
    assert event is None or event == value
    assert errors
