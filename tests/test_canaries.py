"""No secret comes out anywhere: every secret setting is planted, everything is provoked, and all output is searched.

PagerDuty, its API, the OpenID provider and the fallback are a parrot here: it answers with all that it was told.
"""

import asyncio
import hashlib
import hmac
import json
import resource
import sys
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner

from alertrouter import fallback, logs
from alertrouter.cli import app as cli
from alertrouter.pagerduty.client import EventsClient
from alertrouter.routing_file import read_routing
from alertrouter.settings import _SECRETS, load_settings
from alertrouter.store.writer import Writer
from alertrouter.web.app import create_app
from processes import Router, ending, notification
from serving import Running, running, serve, until

MARK = "canary"
DIGEST = bcrypt.hashpw(b"canary-password", bcrypt.gensalt(4)).decode()
PLANTED = {
    "pagerduty_routing_key": "canary0000000000000000000routing",
    "pagerduty_api_token": "canary-api-token",
    "pagerduty_webhook_secrets": "canary-hook-one,canary-hook-two",
    "fallback_urls": "json://user:canary-fallback@{parrot}/canary-path",
    "webhook_tokens": "canary-webhook-token",
    "api_tokens": "canary-api,read:canary-read",
    "api_token": "canary-terminal",
    "database_url": "{database}",
    "auth_users": f"ana:{DIGEST}",
    "oidc_client_secret": "canary-oidc",
    "secret": "canary-secret-of-more-than-32-characters",
}
SHOWN = (MARK, DIGEST[10:])
PATHS = (
    "/",
    "/?q=x",
    "/?status=resolved",
    "/runbooks",
    "/runbooks/none",
    "/runbooks/coverage",
    "/report",
    "/report.json",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/sign-in",
    "/sign-in/done?state=x&code=y",
    "/api/v1/incidents",
    "/api/v1/deliveries",
    "/api/v1/runbooks?q=x",
    "/nowhere",
)


def test_every_secret_setting_is_planted() -> None:
    assert PLANTED.keys() == _SECRETS


def parrot() -> Starlette:
    """Refuses everything, and says back all that it heard."""

    async def answer(request: Request) -> Response:
        heard = [f"{name}: {value}" for name, value in request.headers.items()] + [(await request.body()).decode()]
        words = {"errors": heard, "error": {"message": " ".join(heard), "errors": heard}, "message": "; ".join(heard)}
        return JSONResponse(words, 400, {"WWW-Authenticate": "; ".join(heard)[:500].replace("\n", " ")})

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST", "PUT"])])


def planted(url: str, database_url: str, auth: str) -> dict[str, str]:
    facts = {"parrot": url.removeprefix("http://"), "database": database_url}
    env = {f"ALERTROUTER_{name.upper()}": value.format(**facts) for name, value in PLANTED.items()}
    addresses = dict.fromkeys(("PAGERDUTY_EVENTS_URL", "PAGERDUTY_API_URL", "OIDC_ISSUER"), url)
    more = {
        **addresses,
        "OIDC_CLIENT_ID": "alertrouter",
        "AUTH": auth,
        "ACK_LINKS": "true",
        "PUBLIC_URL": "http://router.test",
        "FALLBACK_AFTER": "1s",
    }
    return env | {f"ALERTROUTER_{name}": value for name, value in more.items()}


async def provoke(router: Running, http: httpx.AsyncClient) -> list[str]:
    """Do everything right and wrong; all that was answered."""
    right, wrong = {"Authorization": "Bearer canary-webhook-token"}, {"Authorization": "Bearer other"}
    for headers in (right, wrong):
        for path, body in (("/webhooks/alertmanager", notification()), ("/webhooks/change", {"summary": "deploy"})):
            await http.post(path, json=body, headers=headers)
            await http.post(path, content=b"{", headers=headers)
    event = json.dumps({"event": {"id": "E", "event_type": "incident.acknowledged", "data": {"id": "P1"}}}).encode()
    signature = "v1=" + hmac.new(b"canary-hook-two", event, hashlib.sha256).hexdigest()
    answers = [
        await http.post("/webhooks/pagerduty", content=event, headers={"X-PagerDuty-Signature": one})
        for one in (signature, "v1=00", "")
    ]
    await until(lambda: tried(router))
    router.clock.pass_(minutes=20)
    router.service.worker.poke()
    await router.service.reconciler.reconcile()
    await router.service.reconciler.before_steps()
    [incident] = (await http.get("/api/v1/incidents", headers={"Authorization": "Bearer canary-api"})).json()["incidents"]
    ways = fallback.Ways([one.get_secret_value() for one in router.service.settings.fallback_urls])
    service = router.service
    after = service.settings.fallback_after
    await fallback.Fallback(service.database, service.writer, ways, after, lambda: service.playbook).look()
    for headers in ({}, wrong, {"Authorization": "Bearer canary-read"}, {"Authorization": "Bearer canary-api"}, basic()):
        paths = [*PATHS, f"/incidents/{incident['id']}", f"/api/v1/incidents/{incident['id']}"]
        answers += [await http.get(path, headers=headers) for path in paths]
        answers.append(await http.post(f"/api/v1/incidents/{incident['id']}/snooze", json={"for": "x"}, headers=headers))
    return [str(answer.headers) + answer.text for answer in answers]


def basic() -> dict[str, str]:
    return {"Authorization": httpx.BasicAuth("ana", "canary-password")._auth_header}


async def tried(router: Running) -> bool:
    """Whether the page and the change were refused."""
    with router.service.database.read() as session:
        rows = session.connection().exec_driver_sql("SELECT error FROM delivery UNION ALL SELECT error FROM change").all()
    return len(rows) == 2 and all(error for (error,) in rows)


async def crash(router: Running, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Bugs in every outermost loop, with secrets in the variables of many frames."""

    async def broken(*_: Any, **__: Any) -> Any:
        settings, environment = router.service.settings, dict(PLANTED)
        raise RuntimeError(f"a bug with {len(environment)} secrets in reach of {type(settings).__name__}")

    monkeypatch.setattr(EventsClient, "_post", broken)
    right = {"Authorization": "Bearer canary-webhook-token"}
    await http.post("/webhooks/change", json={"summary": "deploy"}, headers=right)
    await http.post("/webhooks/alertmanager", json=notification(group="other"), headers=right)
    monkeypatch.setattr(Writer, "submit", broken)
    answers = [
        await http.post("/webhooks/alertmanager", json=notification(group="third"), headers=right),
        await http.post("/api/v1/incidents/x/resolve", headers={"Authorization": "Bearer canary-api"}),
    ]
    cycles = router.service.worker.last_cycle
    before = dict(cycles)
    router.service.worker.poke()
    await until(lambda: asyncio.sleep(0, all(cycles[loop] != at for loop, at in before.items())))
    return [str(answer.headers) + answer.text for answer in answers]


@pytest.mark.parametrize(("form", "auth"), [("json", "oidc"), ("console", "basic")])
async def test_no_secret_comes_out_anywhere(
    form: Any, auth: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serve(parrot()) as address:
        env = planted(address, url, auth)
        routing = read_routing(None, load_settings(env))
        logs.configure(form)
        async with running(url, tmp_path, env, routing) as router, serve(create_app(router.service)) as own:
            async with httpx.AsyncClient(base_url=own, timeout=20) as http:
                answers = await provoke(router, http)
                answers += await crash(router, http, monkeypatch)
            answers.append(repr(router.service.settings) + repr(routing) + repr(router.service.playbook))
    said = capfd.readouterr()
    logged = said.out + said.err
    assert "a bug with" in logged
    for text in [*answers, logged]:
        leaked = next((text.index(one) for one in SHOWN if one in text), None)
        assert leaked is None, text[max(leaked - 600, 0) : leaked + 60]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_crashes_writes_no_memory_to_a_disk(url: str, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        router = Router(tmp_path, "http://127.0.0.1:9", url)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    with ending(router):
        limits = Path(f"/proc/{router.process.popen.pid}/limits").read_text()
    assert [line.split()[4] for line in limits.splitlines() if line.startswith("Max core file size")] == ["0"]


WRONG: dict[str, str] = {
    "PAGERDUTY_ROUTING_KEY": "canary",
    "DATABASE_URL": "mysql://user:canary@db/x",
    "AUTH_USERS": "ana:canary",
    "SECRET": "canary",
    "FALLBACK_URLS": "nonsense://user:canary@host",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_secret_is_named_and_not_shown(name: str) -> None:
    key = {"ALERTROUTER_PAGERDUTY_ROUTING_KEY": "0" * 32}
    done = CliRunner().invoke(cli, ["check"], env={**key, f"ALERTROUTER_{name}": WRONG[name]})
    assert (done.exit_code, f"ALERTROUTER_{name}" in done.output) == (1, True), done.output
    assert MARK not in done.output + str(done.exception)


@pytest.mark.parametrize(
    "address",
    ["postgresql://u:canary@127.0.0.1:1/x", "postgresql://u:canary@127.0.0.1:port/x", "sqlite:////nowhere/canary/x.db?canary=1"],
)
def test_a_database_that_cannot_be_reached_is_one_line_without_its_password(address: str, tmp_path: Path) -> None:
    env = {"ALERTROUTER_PAGERDUTY_ROUTING_KEY": "0" * 32, "ALERTROUTER_DATABASE_URL": address}
    for command in (["serve"], ["db", "upgrade"], ["db", "backup", str(tmp_path / "x")], ["db", "restore"]):
        done = CliRunner().invoke(cli, command, env=env)
        assert done.exit_code == 1
        assert not isinstance(done.exception, Exception), done.exception
        assert "u:canary" not in done.output
        assert done.output.count("\n") == 1, done.output
