"""What Alertmanager posts, and what it is answered."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from alertrouter.logs import OncePerSecond
from alertrouter.web import hooks
from alertrouter.web import http as web_http
from processes import notification
from serving import Running, running, until


def alert(**given: Any) -> dict[str, Any]:
    return {**notification()["alerts"][0], **given}


def body(*alerts: Any, **given: Any) -> dict[str, Any]:
    return {**notification(), "alerts": list(alerts), **given}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "the body is empty"),
        (b"  \n", "the body is empty"),
        (b"{", "the body is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"\xff\xfe", "the body is not UTF-8: invalid start byte at byte 0"),
        (b"[]", "the body is an array, not an object"),
        (b'"x"', "the body is a string, not an object"),
        (b"{}", "alerts is missing"),
        (b'{"alerts": []}', "groupKey is missing"),
        (b'{"groupKey": "g"}', "alerts is missing"),
        (b'{"groupKey": "", "alerts": []}', "groupKey is empty"),
        (b'{"groupKey": 3, "alerts": []}', "Expected `str`, got `int` - at `$.groupKey`"),
        (b'{"groupKey": "g", "alerts": {}}', "alerts is an object, not an array"),
        (b"[" * 200_000, "the body is nested too deeply"),
        (b'{"groupKey": "g", "alerts": [], "x": ' + b"[" * 200_000, "the body is nested too deeply"),
        (b'{"groupKey": "g", "alerts": [7]}', "no alert can be read: the alert is a number, not an object"),
    ],
)
async def test_a_malformed_body_is_400_with_one_clear_line(content: bytes, line: str, database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        answer = await router.post(content)
        assert (answer.status_code, answer.json()) == (400, {"error": line})


async def test_one_unreadable_alert_is_recorded_and_costs_the_others_nothing(database_url: str, tmp_path: Path) -> None:
    bad = [
        7,
        alert(status="unknown"),
        alert(labels="x"),
        alert(startsAt="yesterday"),
        {"status": "firing"},
    ]
    async with running(database_url, tmp_path) as router:
        answer = await router.post(body(*bad, alert()))
        assert answer.status_code == 200
        [incident] = answer.json()["incidents"]
        found = (await router.http.get(f"/api/v1/incidents/{incident}")).json()
        assert found["alerts"] == {"firing": 1, "resolved": 0}
        with router.service.database.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT error FROM unreadable ORDER BY id").all()
        assert [row[0] for row in rows] == [
            "the alert is a number, not an object",
            "Invalid enum value 'unknown' - at `$.status`",
            "labels is a string, not an object",
            "startsAt 'yesterday' is not an RFC 3339 time",
            "labels is null, not an object",
        ]


async def test_unknown_fields_odd_labels_and_a_missing_fingerprint_are_no_trouble(database_url: str, tmp_path: Path) -> None:
    odd = alert(labels={"alertname": "A", "number": 5, "nul": "a\0b", "lone": "\ud800"}, fingerprint="", values={"x": [1]})
    async with running(database_url, tmp_path) as router:
        answer = await router.post(json.dumps(body(odd, routeLabels={}, orgId=1)).encode())
        [incident] = answer.json()["incidents"]
        [member] = (await router.http.get(f"/api/v1/incidents/{incident}")).json()["members"]
        assert member["labels"] == {"alertname": "A", "number": "5", "nul": "a\ufffdb", "lone": "\ufffd"}
        assert [one["event_action"] for one in await router.settled()] == ["trigger"]


@pytest.mark.parametrize("path", ["/webhooks/alertmanager", "/webhooks/alertmanager/", "/webhooks/alertmanager/eu-1/"])
async def test_it_works_with_and_without_a_slash_and_never_redirects(path: str, database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        assert (await router.post(notification(), path)).status_code == 200
        assert (await router.http.get(path)).status_code == 405
        assert (await router.post(notification(), "/webhooks/alertmanager/eu/x")).status_code == 404


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer one", 200),
        ("bearer two", 200),
        ("Basic YW55Ym9keTp0d28=", 200),  # anybody:two
        ("Bearer three", 401),
        ("Basic !!", 401),
        ("Basic YW55Ym9keQ==", 401),
        ("", 401),
    ],
)
async def test_a_webhook_token_is_a_bearer_token_or_a_basic_password(
    header: str, status: int, database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path, {"ALERTROUTER_WEBHOOK_TOKENS": "one, two"}) as router:
        headers = {"Authorization": header} if header else {}
        answer = await router.http.post("/webhooks/alertmanager", json=notification(), headers=headers)
        assert answer.status_code == status
        assert "two" not in answer.text


async def test_ten_thousand_alerts_in_one_body_are_taken_and_paged_once(database_url: str, tmp_path: Path) -> None:
    many = [alert(labels={**alert()["labels"], "pod": f"p{n}"}, fingerprint=f"{n:016x}") for n in range(10_000)]
    async with running(database_url, tmp_path) as router:
        async with asyncio.timeout(5):
            answer = await router.post(body(*many))
        [incident] = answer.json()["incidents"]
        found = (await router.http.get(f"/api/v1/incidents/{incident}")).json()
        assert found["alerts"] == {"firing": 10_000, "resolved": 0}
        [event] = await router.settled()
        assert event["payload"]["summary"].endswith("(+9999 more)")


async def test_a_body_above_max_body_is_413_counted_and_logged(url: str, tmp_path: Path) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("alertrouter_notifications_total", {"source": "", "outcome": "413"}) or 0

    before = counted()
    async with running(url, tmp_path, {"ALERTROUTER_MAX_BODY": "10000"}) as router:
        with capture_logs() as logs:
            answer = await router.post(b" " * 10_001)
        assert (answer.status_code, answer.json()) == (
            413,
            {"error": "the body is larger than 10000 bytes (ALERTROUTER_MAX_BODY)"},
        )
    assert counted() == before + 1
    assert [(one["status"], "ALERTROUTER_MAX_BODY" in one["why"]) for one in logs if "why" in one] == [(413, True)]


async def test_bodies_that_arrive_together_take_no_more_memory_than_there_is_and_slow_ones_keep_nobody_out(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_http._Arriving, "most", 10_000)
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b" " * 4_900
        await go_on.wait()
        yield json.dumps(notification()).encode()

    env = {"ALERTROUTER_MAX_BODY": "10000", "ALERTROUTER_PAGERDUTY_WEBHOOK_SECRETS": "secret"}
    async with running(url, tmp_path, env) as router:
        paths = ("/webhooks/pagerduty", "/webhooks/alertmanager")  # the first may come from anybody: it is signed by its body
        posts = []
        for number, path in enumerate(paths, start=1):
            posts.append(asyncio.ensure_future(router.http.post(path, content=slow())))
            await until(lambda size=4_900 * number: asyncio.sleep(0, web_http._Arriving.size == size))  # type: ignore[misc]
        assert (await router.post(notification())).status_code == 200
        assert web_http._Arriving.size == 4_900
        go_on.set()
        first, second = await asyncio.gather(*posts)
        assert (first.status_code, "try again" in first.json()["error"], second.status_code) == (503, True, 200)
    assert (web_http._Arriving.size, web_http._Arriving.bodies) == (0, {})


async def test_a_locked_database_is_503_within_five_seconds_and_the_retry_is_taken(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "locked.db"
    path.write_bytes(sqlite_template.read_bytes())
    async with running(f"sqlite:///{path}", tmp_path) as router:
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(5):
                answer = await router.post(notification())
            assert answer.status_code == 503
            assert answer.json()["error"].startswith("not stored, try again: ")
            other.execute("ROLLBACK")
        other.close()
        assert (await router.post(notification())).status_code == 200


async def test_what_would_wait_for_too_long_is_503_before_it_is_read_and_logged_once_a_second(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_overloaded", OncePerSecond())
    async with running(url, tmp_path) as router:
        room, waiting = router.service.writer._room, 1024**3
        room.enter(waiting)
        with capture_logs() as lines:
            answers = [await router.http.post("/webhooks/alertmanager", content=b"{") for _ in range(20)]
        room.leave(waiting)
        assert {(answer.status_code, answer.json()["error"]) for answer in answers} == {
            (503, "not stored, try again: too much is waiting for the database")
        }
        refused = [line for line in lines if line["event"] == "a notification was not accepted"]
        assert 1 <= len(refused) < 10
        assert (await router.http.post("/webhooks/alertmanager", content=b"{")).status_code == 400


async def test_a_full_disk_is_503_and_the_retry_is_taken(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "full.db"
    path.write_bytes(sqlite_template.read_bytes())
    async with running(f"sqlite:///{path}", tmp_path) as router:
        await _limit_pages(router, True)
        assert (await router.post(_large())).status_code == 503
        await _limit_pages(router, False)
        assert (await router.post(_large())).status_code == 200


def _large() -> dict[str, Any]:
    return body(*(alert(fingerprint=f"{n:016x}", annotations={"summary": "x" * 2000}) for n in range(200)))


async def _limit_pages(router: Running, on: bool) -> None:
    """SQLite's own way to have a disk that is full."""

    def limit(tx: Any, items: Any) -> list[None]:
        pages = tx.cursor.execute("PRAGMA page_count").fetchone()[0] if on else 1_000_000
        tx.cursor.execute(f"PRAGMA max_page_count = {pages}")
        return [None] * len(items)

    await router.service.writer.submit(limit, None)


async def test_a_postgres_that_is_gone_is_503_and_back_again_it_takes_the_retry(postgres: str, tmp_path: Path) -> None:
    import psycopg

    name = "goes_away"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
        async with running(postgres.replace("/postgres?", f"/{name}?"), tmp_path) as router:
            assert (await router.post(notification())).status_code == 200
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            async with asyncio.timeout(5):
                assert (await router.post(notification(group="h"))).status_code == 503
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            assert (await router.post(notification(group="h"))).status_code == 200
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_an_unknown_severity_pages_as_an_error_and_is_a_warning_in_the_log(database_url: str, tmp_path: Path) -> None:
    odd = alert(labels={"alertname": "A", "severity": "catastrophic"})
    async with running(database_url, tmp_path) as router:
        with capture_logs() as logs:
            await router.post(body(odd))
            [event] = await router.settled()
        assert event["payload"]["severity"] == "error"
        assert [one["label"] for one in logs if one["log_level"] == "warning"] == ["catastrophic"]
