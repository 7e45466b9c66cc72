"""The API, to the letter."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from alertrouter.web import health
from processes import notification
from serving import Running, running, until

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def opened(router: Running, name: str = "HighErrorRate", **given: Any) -> str:
    [incident] = (await router.post(notification(name, **given))).json()["incidents"]
    found: str = incident
    return found


async def do(router: Running, incident: str, action: str, **body: Any) -> dict[str, Any]:
    answer = await router.http.post(f"/api/v1/incidents/{incident}/{action}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_incident_has_exactly_the_documented_fields(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        incident = await opened(router)
        await router.settled()
        one = (await router.http.get(f"/api/v1/incidents/{incident}")).json()
        assert {
            name: value for name, value in one.items() if name not in {"members", "timeline", "deliveries", "changes", "runbook"}
        } == {
            "id": incident,
            "key": '{}:{alertname="g"}',
            "source": "default",
            "status": "triggered",
            "severity": "critical",
            "title": "HighErrorRate on a: Errors above 1%",
            "target": "oncall",
            "opened_at": "2026-11-23T03:00:00.000Z",
            "acknowledged_at": None,
            "acknowledged_by": None,
            "resolve_at": None,
            "resolved_at": None,
            "resolve_reason": None,
            "snoozed_until": None,
            "previous": None,
            "notifications": 1,
            "alerts": {"firing": 1, "resolved": 0},
            "escalation": {
                "policy": [{"after": "15m", "to": "engineering", "unless": "resolved"}],
                "from": "servico.md:6",
                "step": 0,
                "due_at": "2026-11-23T03:15:00.000Z",
            },
            "url": f"http://router.test/incidents/{incident}",
        }
        runbook = one["runbook"]
        assert runbook.pop("markdown").startswith("1. `kubectl logs -n prod deploy/api`")
        assert re.fullmatch("[0-9a-f]{16}", runbook.pop("revision"))
        assert runbook.pop("commit") is None  # the folder is no git checkout
        assert runbook == {
            "title": "HighErrorRate",
            "path": "servico.md",
            "anchor": "higherrorrate",
            "url": "http://router.test/runbooks/servico.md#higherrorrate",
        }
        [member] = one["members"]
        assert member["labels"]["namespace"] == "prod"
        assert [entry["kind"] for entry in one["timeline"]] == ["opened", "paged"]
        [delivery] = one["deliveries"]
        assert delivery.keys() == {
            "id", "incident", "target", "action", "dedup_key", "state", "attempts", "error", "due_at", "sent_at",
        }  # fmt: skip
        assert RFC_3339.fullmatch(delivery["sent_at"])


async def test_the_list_is_newest_first_by_pages_and_without_the_details(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        ids = []
        for number in range(5):
            ids.append(await opened(router, group=f"{number}"))
            router.clock.pass_(seconds=1)
        pages: list[list[str]] = []
        query = {"limit": "2"}
        while len(pages) < 4:
            answer = (await router.http.get("/api/v1/incidents", params=query)).json()
            pages.append([one["id"] for one in answer["incidents"]])
            if answer["next"] is None:
                break
            query["cursor"] = answer["next"]
        assert pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]
        assert "timeline" not in answer["incidents"][0]


async def test_the_list_is_filtered_by_status_alertname_and_severity(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        first, second, third = [await opened(router, name, group=name) for name in ("A", "B", "C")]
        await do(router, second, "acknowledge", by="ana")
        await do(router, third, "resolve", by="ana")

        async def ids(**query: str) -> set[str]:
            answer = await router.http.get("/api/v1/incidents", params=query)
            return {one["id"] for one in answer.json()["incidents"]}

        assert await ids() == {first, second, third}
        assert await ids(status="open") == {first, second}
        assert await ids(status="triggered") == {first}
        assert await ids(status="acknowledged") == {second}
        assert await ids(status="resolved") == {third}
        assert await ids(alertname="B") == {second}
        assert await ids(severity="critical") == {first, second, third}
        assert await ids(severity="info") == set()


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/api/v1/incidents?status=on", "status: Input should be 'open', 'triggered', 'acknowledged' or 'resolved'"),
        ("/api/v1/incidents?limit=0", "limit: Input should be greater than or equal to 1"),
        ("/api/v1/incidents?limit=x", "limit: Input should be a valid integer, unable to parse string as an integer"),
        ("/api/v1/deliveries?state=lost", "state: Input should be 'pending', 'sent', 'superseded' or 'dead'"),
        ("/api/v1/incidents?alertname=a%00b", r"alertname: String should match pattern '^[^\x00]*$'"),
        ("/api/v1/deliveries?cursor=x", "cursor: String should match pattern '^[0-9]{1,18}$'"),
    ],
)
async def test_a_query_that_cannot_be_read_is_400_with_one_line(path: str, error: str, database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        answer = await router.http.get(path)
        assert (answer.status_code, answer.json()) == (400, {"error": error})


async def test_acknowledge_and_resolve_are_idempotent_and_told_with_who(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        incident = await opened(router)
        for by in ("ana", "bia"):
            one = await do(router, incident, "acknowledge", by=by)
            assert (one["status"], one["acknowledged_by"]) == ("acknowledged", "ana")
        for by in ("ana", "bia"):
            one = await do(router, incident, "resolve", by=by)
            assert (one["status"], one["resolve_reason"]) == ("resolved", "resolved by ana")
        assert [entry["text"] for entry in one["timeline"] if "ana" in entry["text"]] == [
            "Acknowledged by ana",
            "Resolved by ana",
        ]
        events = [(one["event_action"], one["dedup_key"]) for one in await router.settled()]
        assert events.count(("resolve", incident)) <= 1


async def test_snooze_delays_and_escalate_takes_the_next_step_until_none_is_left(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        incident = await opened(router)
        one = await do(router, incident, "snooze", by="ana", **{"for": "1h"})
        assert one["escalation"]["due_at"] == one["snoozed_until"] == "2026-11-23T04:00:00.000Z"
        one = await do(router, incident, "escalate")
        assert (one["escalation"]["step"], one["escalation"]["due_at"]) == (1, None)
        answer = await router.http.post(f"/api/v1/incidents/{incident}/escalate")
        assert (answer.status_code, answer.json()) == (409, {"error": "no step is left: the policy has 1"})
        one = await do(router, incident, "escalate", step=1)
        assert {event["dedup_key"] for event in await router.settled()} == {incident, f"{incident}/e1", f"{incident}/e1.2"}


@pytest.mark.parametrize(
    ("action", "body", "status", "error"),
    [
        ("snooze", b"", 400, "for is missing"),
        ("snooze", b'{"for": "soon"}', 400, "for: 'soon' is not a duration such as 90s, 15m or 1h30m"),
        ("snooze", b'{"for": "0h0s"}', 400, "for: '0h0s' is not a duration such as 90s, 15m or 1h30m"),
        ("acknowledge", b'{"by": 3}', 400, "by: Input should be a valid string"),
        ("escalate", b'{"step": "1"}', 400, "step: Input should be a valid integer"),
        ("escalate", b'{"step": 9}', 409, "there is no step 9: the policy has 1"),
        ("resolve", b"[]", 400, "the body is not a JSON object: Expected `object`, got `array`"),
        ("resolve", b"{", 400, "the body is not a JSON object: Input data was truncated"),
    ],
)
async def test_an_action_that_cannot_be_read_is_one_clear_line(
    action: str, body: bytes, status: int, error: str, database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as router:
        incident = await opened(router)
        answer = await router.http.post(f"/api/v1/incidents/{incident}/{action}", content=body)
        assert (answer.status_code, answer.json()) == (status, {"error": error})


async def test_what_does_not_exist_is_404_in_json(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        for answer in (
            await router.http.get("/api/v1/incidents/nosuch"),
            await router.http.get("/api/v1/incidents/a%00b"),
            await router.http.post("/api/v1/incidents/a%00b/resolve"),
            await router.http.post("/api/v1/incidents/nosuch/resolve"),
            await router.http.post("/api/v1/incidents/nosuch/delete"),
            await router.http.get("/api/v1/nosuch"),
        ):
            assert answer.status_code == 404
            assert answer.json().keys() == {"error"}


async def test_a_database_that_does_not_answer_is_503_in_json(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        router.service.database.engine.dispose()
        router.service.database.engine = create_engine("sqlite:////nowhere/x.db")
        answer = await router.http.get("/api/v1/incidents")
        assert (answer.status_code, answer.json()) == (503, {"error": "the database does not answer just now; try again"})


async def test_deliveries_are_listed_newest_first_by_state(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        first, second = await opened(router, group="1"), await opened(router, group="2")
        await router.settled()
        answer = (await router.http.get("/api/v1/deliveries?state=sent&limit=1")).json()
        assert [one["incident"] for one in answer["deliveries"]] == [second]
        rest = (await router.http.get("/api/v1/deliveries", params={"cursor": answer["next"]})).json()
        assert ([one["incident"] for one in rest["deliveries"]], rest["next"]) == ([first], None)


async def test_a_token_is_wanted_where_there_are_tokens(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, {"ALERTROUTER_API_TOKENS": "secret"}) as router:
        assert (await router.http.get("/api/v1/incidents")).status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert (await router.http.get("/api/v1/incidents", headers=headers)).status_code == 200


async def test_it_is_ready_with_every_part_and_not_when_the_schema_is_old(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await until(lambda: is_ready(router))
        assert (await router.http.get("/healthz")).text == "ok\n"
        answer = await router.http.get("/readyz")
        assert (answer.status_code, answer.json()["ready"]) == (200, True)
        assert answer.json()["parts"].keys() == {"database", "worker", "runbooks", "pagerduty"}
        with router.service.database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'older'")
        answer = await router.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["parts"]["database"] == {"ok": False, "why": "migrations are not current"}


async def test_a_worker_that_stopped_going_round_is_not_ready(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(url, tmp_path) as router:
        await until(lambda: is_ready(router))
        monkeypatch.setattr(router.service.worker, "_before_steps", asyncio.Event().wait)  # a cycle that does not end
        router.service.worker.poke()
        monkeypatch.setattr(health, "STALE_SECONDS", 0.2)
        worker = await until(lambda: why_not(router, "worker"))
        assert "timers" in worker
        assert worker.startswith("no cycle of ")


async def why_not(router: Running, part: str) -> str:
    found: dict[str, str] = (await router.http.get("/readyz")).json()["parts"][part]
    return found.get("why", "")


async def is_ready(router: Running) -> bool:
    return (await router.http.get("/readyz")).is_success


async def test_metrics_tell_what_happened(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await opened(router)
        await router.settled()
        shown = (await router.http.get("/metrics")).text
        for name in (
            'alertrouter_notifications_total{outcome="opened",source="default"}',
            'alertrouter_incidents_opened_total{severity="critical",target="oncall"}',
            'alertrouter_delivery_seconds_count{action="trigger"}',
            "alertrouter_commit_batch_size_bucket",
            "alertrouter_database_write_seconds_bucket",
            'alertrouter_build_info{database="',
            'alertrouter_deliveries_total{action="trigger",outcome="sent"}',
            "alertrouter_escalation_lateness_seconds_bucket",
        ):
            assert name in shown
