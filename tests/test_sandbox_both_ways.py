"""The sandbox's REST API and its feed, as PagerDuty's."""

import hmac
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from alertrouter.sandbox import create_sandbox
from serving import serve, until

KEY = "a1B2" * 8
TOKEN = {"Authorization": "Token token=x"}


def trigger(key: str) -> dict[str, Any]:
    payload = {"summary": "Disk full", "source": "db", "severity": "error"}
    return {"routing_key": KEY, "event_action": "trigger", "dedup_key": key, "payload": payload}


@pytest.fixture
async def sandbox() -> AsyncIterator[httpx.AsyncClient]:
    async with serve(create_sandbox(names={KEY: "oncall"})) as url, httpx.AsyncClient(base_url=url, timeout=2) as http:
        yield http


async def incidents(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get("/incidents")).json()["incidents"]
    return found


async def test_an_alert_opens_an_incident_and_the_last_resolve_closes_it(sandbox: httpx.AsyncClient) -> None:
    await sandbox.post("/v2/enqueue", json=trigger("a"))
    [one] = await incidents(sandbox)
    assert (one["status"], one["incident_key"], one["keys"]) == ("triggered", None, ["a"])
    await sandbox.post("/v2/enqueue", json={"routing_key": KEY, "event_action": "resolve", "dedup_key": "a"})
    assert (await incidents(sandbox))[0]["status"] == "resolved"
    await sandbox.post("/v2/enqueue", json=trigger("a"))
    assert [one["status"] for one in await incidents(sandbox)] == ["resolved", "triggered"]


async def test_the_api_wants_a_token_finds_by_key_and_pages(sandbox: httpx.AsyncClient) -> None:
    for key in "abc":
        await sandbox.post("/v2/enqueue", json=trigger(key))
    first, second, third = [one["id"] for one in await incidents(sandbox)]
    assert (await sandbox.get("/rest/incidents")).status_code == 401
    await sandbox.post(f"/incidents/{second}/merge", json={"into": first})
    await sandbox.post(f"/incidents/{third}/merge", json={"into": first})
    found = (await sandbox.get("/rest/incidents?incident_key=c&date_range=all", headers=TOKEN)).json()["incidents"]
    assert [one["id"] for one in found] == [first]
    page = (await sandbox.get(f"/rest/incidents/{first}/alerts?limit=2", headers=TOKEN)).json()
    assert ([one["alert_key"] for one in page["alerts"]], page["more"]) == (["a", "b"], True)
    page = (await sandbox.get(f"/rest/incidents/{first}/alerts?limit=2&offset=2", headers=TOKEN)).json()
    assert ([one["alert_key"] for one in page["alerts"]], page["more"]) == (["c"], False)
    assert (await sandbox.get(f"/rest/incidents/{second}/alerts", headers=TOKEN)).json()["alerts"] == []
    shown = (await sandbox.get(f"/rest/incidents/{second}", headers=TOKEN)).json()["incident"]
    assert shown["resolve_reason"] == {"type": "merge_resolve_reason", "incident": {"id": first}}
    note = {"note": {"content": "x"}}
    assert (await sandbox.post(f"/rest/incidents/{first}/notes", json=note, headers=TOKEN)).status_code == 400
    assert (await sandbox.post(f"/rest/incidents/{first}/notes", json=note, headers=TOKEN | {"From": "a@b"})).status_code == 201


@pytest.mark.parametrize(("mode", "status"), [("500", 500), ("429", 429), ("html", 200), ("empty", 200)])
async def test_the_api_misbehaves_when_it_is_told_to(sandbox: httpx.AsyncClient, mode: str, status: int) -> None:
    await sandbox.post("/rest/fault", json={"mode": mode})
    assert (await sandbox.get("/rest/incidents", headers=TOKEN)).status_code == status
    await sandbox.post("/rest/fault", json={"mode": ""})
    assert (await sandbox.get("/rest/incidents", headers=TOKEN)).json()["incidents"] == []


async def test_the_api_closes_the_connection_when_it_is_told_to(sandbox: httpx.AsyncClient) -> None:
    await sandbox.post("/rest/fault", json={"mode": "drop"})
    with pytest.raises(httpx.TransportError):
        await sandbox.get("/rest/incidents", headers=TOKEN)


async def test_webhooks_are_lost_or_held_and_let_go_newest_first_when_that_is_ordered(sandbox: httpx.AsyncClient) -> None:
    heard: list[tuple[str, str]] = []

    async def take(request: Request) -> Response:
        heard.append(((await request.json())["event"]["event_type"], request.headers["x-webhook-subscription"]))
        return Response(status_code=202)

    async def heard_of(count: int) -> bool:
        return len(heard) == count

    async with serve(Starlette(routes=[Route("/", take, methods=["POST"])])) as url:
        await sandbox.post("/subscription", json={"url": f"{url}/", "secrets": ["one"]})
        await sandbox.post("/webhooks/fault", json={"mode": "lose"})
        await sandbox.post("/v2/enqueue", json=trigger("a"))
        [one] = await incidents(sandbox)
        await sandbox.post("/webhooks/fault", json={"mode": "hold"})
        for action in ("acknowledge", "prioritise", "resolve"):
            await sandbox.post(f"/incidents/{one['id']}/{action}")
        webhooks = (await sandbox.get("/webhooks")).json()["webhooks"]
        assert [webhook["state"] for webhook in webhooks] == ["lost", "pending", "pending", "pending"]
        await sandbox.post("/webhooks/fault", json={"mode": "", "reversed": True})
        await until(lambda: heard_of(3))
        kinds = ("incident.resolved", "incident.priority_updated", "incident.acknowledged")
        assert heard == [(kind, "PSANDBOX") for kind in kinds]
        await sandbox.post("/reset")
        assert (await sandbox.get("/webhooks")).json() == {"enabled": True, "webhooks": []}


async def test_changes_are_listed_and_shown(sandbox: httpx.AsyncClient) -> None:
    await sandbox.post("/v2/change/enqueue", json={"routing_key": KEY, "payload": {"summary": "deploy 1.2.3"}})
    await sandbox.post("/v2/change/enqueue", json={"routing_key": KEY, "payload": {}})
    [change] = (await sandbox.get("/changes")).json()["changes"]
    assert change["event"]["payload"]["summary"] == "deploy 1.2.3"
    assert "deploy 1.2.3" in (await sandbox.get("/")).text


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("GET", "/rest/incidents?limit=x", {}),
        ("POST", "/subscription", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
        ("POST", "/subscription", {"content": b"[]", "headers": {"Content-Type": "application/json"}}),
        ("POST", "/webhooks/fault", {"content": b"mode=\xff"}),
        ("POST", "/rest/fault", {"json": {"mode": "x"}}),
    ],
)
async def test_a_request_that_makes_no_sense_is_a_400_that_says_why(
    sandbox: httpx.AsyncClient, method: str, path: str, sent: dict[str, Any]
) -> None:
    answer = await sandbox.request(method, path, **({"headers": TOKEN} | sent))
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_an_incident_says_where_it_is_from_the_first_event_on_below_a_prefix_too() -> None:
    inner = create_sandbox(subscription=("http://127.0.0.1:9/", ["one"]))
    async with serve(Starlette(routes=[Mount("/sandbox", inner)])) as url, httpx.AsyncClient(base_url=url) as http:
        await http.post("/sandbox/v2/enqueue", json=trigger("a"))
        [webhook] = inner.state.sandbox.feed.sent
        one = msgspec.json.decode(webhook.body)["event"]["data"]
        assert one["self"] == f"{url}/sandbox/rest/incidents/{one['id']}"
        assert (await http.get(one["self"], headers=TOKEN)).json()["incident"] == one
        inner.state.sandbox.reset()


async def test_what_cannot_be_done_now_is_a_409(sandbox: httpx.AsyncClient) -> None:
    await sandbox.post("/v2/enqueue", json=trigger("a"))
    [one] = await incidents(sandbox)
    assert (await sandbox.post(f"/incidents/{one['id']}/reopen")).status_code == 409
    assert (await sandbox.post(f"/incidents/{one['id']}/merge", json={"into": one["id"]})).status_code == 409
    assert (await sandbox.post(f"/incidents/{one['id']}/explode")).status_code == 404
    assert (await sandbox.post("/incidents/PNONE/resolve")).status_code == 404


async def test_the_feed_is_signed_in_order_repeated_and_ends_after_three_drops(sandbox: httpx.AsyncClient) -> None:
    heard: list[tuple[str, str]] = []
    answers = [503, 202, 202, 400, 400, 400]

    async def take(request: Request) -> Response:
        body = await request.body()
        expected = [f"v1={hmac.new(secret, body, 'sha256').hexdigest()}" for secret in (b"one", b"two")]
        assert request.headers["x-pagerduty-signature"].split(",") == expected
        heard.append((request.headers["x-webhook-id"], (await request.json())["event"]["event_type"]))
        return Response(status_code=answers[len(heard) - 1])

    async def ended(count: int) -> bool:
        webhooks = (await sandbox.get("/webhooks")).json()["webhooks"]
        return len([one for one in webhooks if one["state"] != "pending"]) == count

    async with serve(Starlette(routes=[Route("/", take, methods=["POST"])])) as url:
        await sandbox.post("/subscription", json={"url": f"{url}/", "secrets": ["one", "two"]})
        await sandbox.post("/v2/enqueue", json=trigger("a"))
        [one] = await incidents(sandbox)
        await sandbox.post(f"/incidents/{one['id']}/acknowledge", json={"by": "Bia"})
        await until(lambda: ended(2))
        assert [kind for _, kind in heard] == ["incident.triggered", "incident.triggered", "incident.acknowledged"]
        assert heard[0][0] == heard[1][0]
        for action in ("unacknowledge", "acknowledge", "resolve"):
            await sandbox.post(f"/incidents/{one['id']}/{action}")
        await until(lambda: ended(5))
        assert not (await sandbox.get("/webhooks")).json()["enabled"]


async def test_the_page_has_buttons_that_lead_back_to_it(sandbox: httpx.AsyncClient) -> None:
    await sandbox.post("/v2/enqueue", json=trigger("a"))
    [one] = await incidents(sandbox)
    page = (await sandbox.get("/")).text
    assert f'formaction="incidents/{one["id"]}/acknowledge"' in page
    assert "merge" not in page
    await sandbox.post("/v2/enqueue", json=trigger("b"))
    assert f'formaction="incidents/{one["id"]}/merge"' in (await sandbox.get("/")).text
    answer = await sandbox.post(f"/incidents/{one['id']}/acknowledge", headers={"Accept": "text/html"}, data={"by": "Bia"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_a_merged_key_is_resolved_in_the_incident_that_it_lives_on_in(sandbox: httpx.AsyncClient) -> None:
    resolve = {"routing_key": KEY, "event_action": "resolve", "dedup_key": "b"}
    await sandbox.post("/v2/enqueue", json=trigger("b"))
    await sandbox.post("/v2/enqueue", json=resolve)  # an earlier episode
    other = {**trigger("a"), "routing_key": "0" * 32}
    await sandbox.post("/v2/enqueue", json=other)
    await sandbox.post("/v2/enqueue", json=trigger("b"))
    _, into, source = [one["id"] for one in await incidents(sandbox)]
    await sandbox.post(f"/incidents/{source}/merge", json={"into": into})
    await sandbox.post("/v2/enqueue", json=resolve)
    assert (await incidents(sandbox))[1]["status"] == "triggered"
    await sandbox.post("/v2/enqueue", json={**resolve, "routing_key": "0" * 32, "dedup_key": "a"})
    assert (await incidents(sandbox))[1]["status"] == "resolved"


async def test_what_is_reopened_takes_further_triggers(sandbox: httpx.AsyncClient) -> None:
    await sandbox.post("/v2/enqueue", json=trigger("a"))
    [one] = await incidents(sandbox)
    await sandbox.post(f"/incidents/{one['id']}/resolve")
    await sandbox.post(f"/incidents/{one['id']}/reopen")
    await sandbox.post("/v2/enqueue", json=trigger("a"))
    assert [(one["status"], one["resolve_reason"]) for one in await incidents(sandbox)] == [("triggered", None)]
