"""Every parser that meets bytes from outside takes them or refuses them in its own words, whatever they are.

`make test` tries some; `make fuzz` tries for minutes.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest
from fuzz.mutation import like
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from alertrouter import alertmanager, alertmanager_api, changes
from alertrouter.durations import format_duration, parse_duration
from alertrouter.pagerduty import webhooks
from alertrouter.pagerduty.outcomes import classify
from alertrouter.pagerduty.rest import CannotAskError, RestClient
from alertrouter.routing import parse_matcher
from alertrouter.routing_file import RoutingFileError, read_routing
from alertrouter.runbooks import commands, parse, render, rules, search
from alertrouter.runbooks.match import Index
from alertrouter.settings import load_settings
from alertrouter.web import languages

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
ROOT = Path(__file__).parent.parent.parent
VALUES = commands.Values({"x": "a b; rm -rf /", "alertname": "A"}, {"summary": "</script>"})
PAYLOADS = [path.read_bytes() for path in sorted((ROOT / "tests" / "payloads").glob("*.json"))]
RUNBOOKS = [path.read_bytes() for path in sorted((ROOT / "runbooks").glob("*.md"))]
RULES = [path.read_bytes() for path in sorted((ROOT / "deploy" / "prometheus").glob("*.yml"))]
ROUTING = [
    (ROOT / "deploy" / "alertrouter.yml").read_bytes(),
    b"targets:\n  a: {routing_key_env: K, aliases: [b]}\nroutes:\n  - match: ['x=~\"a|b\"', y!=z]\n    target: a\n"
    b"    escalation: [{after: 10m, to: b, unless: acknowledged}]\n  - match: [w=1]\n    heartbeat: 10m\ndefault_target: a\n",
]
WEBHOOK = (
    b'{"event": {"id": "01", "event_type": "incident.acknowledged", "resource_type": "incident", "occurred_at": '
    b'"2026-11-23T03:00:00.123Z", "agent": {"id": "P1", "summary": "Ana", "type": "user_reference"}, "data": {"id": "Q1", '
    b'"type": "incident", "status": "acknowledged", "incident_key": "k", "assignees": [{"summary": "Ana"}], "parent": null}}}'
)
CHANGE = b'{"summary": "deploy 1.2", "target": "oncall", "links": [{"href": "http://x"}], "details": {"a": [1, {"b": 2}]}}'
ANSWER = b'{"status": "invalid event", "message": "Event object is invalid", "errors": ["\'payload.severity\' is invalid"]}'

HELD = {
    "status": b'{"uptime": "2026-11-23T03:00:00.000Z", "cluster": {"status": "ready", "peers": []}}',
    "alerts": b'[{"fingerprint": "a1", "labels": {"a": "b"}, "status": {"state": "suppressed", "silencedBy": ["s1"]}}]',
    "silences": b'[{"id": "s1", "createdBy": "Ana", "endsAt": "2026-11-23T05:00:00.000Z", "status": {"state": "active"}}]',
}
INCIDENTS = [
    b'{"incidents": [{"id": "Q1", "status": "resolved", "last_status_change_by": {"summary": "Ana"}, "resolve_reason": null}]}',
    b'{"incident": {"id": "Q1", "status": "resolved", "resolve_reason": '
    b'{"type": "merge_resolve_reason", "incident": {"id": "Q2"}}}}',
    b'{"alerts": [{"id": "A1", "alert_key": "k"}], "more": true}',
]


def decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def notification(data: bytes) -> None:
    found = alertmanager.parse(data)
    assert found.alerts or not found.unreadable
    msgspec.json.encode(found)


def signed_webhook(data: bytes) -> None:
    assert not webhooks.is_signed(data, decoded(data), ["secret"])
    msgspec.json.encode(webhooks.read(data))


def runbook(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    document = parse.parse("a.md", text)
    index = Index([document])
    for section in document.sections:
        assert "<script" not in render.to_html(section.text, VALUES).lower()
        render.to_plain(section.text, VALUES)
        render.to_markdown(section.text, VALUES)
        assert len(render.first_steps(section.text, VALUES, 200)) <= 200
        index.find({"alertname": section.alertname}, {"runbook_url": text[:200]})
    search.Search([document]).find(text[:100], 5)


def matcher(data: bytes) -> None:
    found = parse_matcher(decoded(data))
    found.matches({found.name: "a" * 5000})


def duration(data: bytes) -> None:
    found = parse_duration(decoded(data))
    assert parse_duration(format_duration(found)) == found


def rule_file(data: bytes) -> None:
    rules.read_rules("a.yml", data.decode("utf-8", "replace"))


def accept_language(data: bytes) -> None:
    assert languages.choose(data.decode("latin-1")) in {"en", "pt-BR"}


def answer(data: bytes) -> None:
    for status in (202, 400, 429, 500):
        classify(status, data, data.decode("latin-1"))


def alertmanagers_list(data: bytes) -> None:
    async def look(kind: str) -> alertmanager_api.Look:
        given = {**HELD, kind: data}
        answers = httpx.MockTransport(lambda request: httpx.Response(200, content=given[request.url.path.rpartition("/")[2]]))
        async with httpx.AsyncClient(transport=answers) as http:
            return await alertmanager_api.look(http, "http://am")

    for kind in HELD:
        with suppress(alertmanager_api.CannotLookError):
            for silence in asyncio.run(look(kind)).alerts.values():
                assert silence is None or silence.by.isprintable()  # it goes into the database


def pagerdutys_incidents(data: bytes) -> None:
    async def ask() -> None:
        client = RestClient("http://pd", SecretStr("token"))
        await client.aclose()
        answers = httpx.MockTransport(lambda _: httpx.Response(200, content=data))
        async with httpx.AsyncClient(transport=answers, base_url="http://pd") as client._http:
            for question in (client.incidents_with, client.merged_into, client.keys_of):
                with suppress(CannotAskError):
                    msgspec.json.encode(await question("k"))

    asyncio.run(ask())


@dataclass(frozen=True)
class Parser:
    """What takes foreign bytes, what it may raise, and what it is meant for."""

    take: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    samples: list[bytes]


PARSERS = {
    "notifications": Parser(notification, (alertmanager.MalformedError,), PAYLOADS),
    "PagerDuty's webhooks": Parser(signed_webhook, (webhooks.UnreadableWebhookError,), [WEBHOOK]),
    "PagerDuty's answers": Parser(answer, (), [ANSWER, b"17", b"Mon, 23 Nov 2026 03:00:00 GMT"]),
    "PagerDuty's incidents": Parser(pagerdutys_incidents, (), INCIDENTS),
    "Alertmanager's list": Parser(alertmanagers_list, (), list(HELD.values())),
    "changes": Parser(changes.parse, (changes.MalformedChangeError,), [CHANGE]),
    "runbooks": Parser(runbook, (), RUNBOOKS),
    "rules": Parser(rule_file, (rules.RulesError,), RULES),
    "matchers": Parser(matcher, (ValueError,), [b'severity=~"warning|critical"', b"a!=b", b'"a b"!~"(x|y)+"', b"foo=\\u00e9"]),
    "durations": Parser(duration, (ValueError,), [b"1h30m", b"90s", b"2w3d", b"521w"]),
    "Accept-Language": Parser(accept_language, (), [b"pt-BR,pt;q=0.9,en;q=0.8", b"*", b"en;q=nan"]),
}


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_the_bytes_they_are_taken_or_refused(name: str, data: st.DataObject) -> None:
    parser = PARSERS[name]
    with suppress(*parser.refusals):
        parser.take(data.draw(like(parser.samples)))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=like(ROUTING))
def test_whatever_the_routing_file_holds_it_is_read_or_each_fault_has_its_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "alertrouter.yml"
    path.write_bytes(content)
    problems = problems_of(path)
    assert problems is None or problems
    for problem in problems or []:
        assert problem.startswith(f"{path}:")
        assert "\n" not in problem


def problems_of(path: Path) -> list[str] | None:
    try:
        read_routing(path, load_settings({}), {"K": "0" * 32, "PAGERDUTY_ROUTING_KEY": "0" * 32})
    except RoutingFileError as error:
        return error.problems
    return None
