"""Reading and verifying what PagerDuty posts."""

import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertrouter.pagerduty.webhooks import UnreadableWebhookError, Webhook, is_signed, read

BODY = b'{"event": {}}'


def sign(secret: str, body: bytes = BODY) -> str:
    return "v1=" + hmac.new(secret.encode(), body, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("header", "secrets", "signed"),
    [
        (sign("new"), ["new"], True),
        (sign("old"), ["new", "old"], True),  # while a secret rotates
        (f"{sign('other')}, {sign('new')}", ["new"], True),
        (f"v2=abc,{sign('new')}", ["new"], True),
        (sign("new").replace("v1=", "v2="), ["new"], False),
        (sign("new").upper(), ["new"], False),
        (sign("new", b"else"), ["new"], False),
        (sign("other"), ["new"], False),
        ("", ["new"], False),
        ("v1=", ["new"], False),
        ("v1=é\udcff,v1", ["new"], False),
        (",".join([sign("other")] * 19 + [sign("new")]), ["new"], True),
        (sign("new"), [], False),
    ],
)
def test_a_body_is_signed_if_any_signature_is_that_of_any_secret(header: str, secrets: list[str], signed: bool) -> None:
    assert is_signed(BODY, header, secrets) is signed


@given(st.text())
def test_any_header_is_an_answer_and_no_exception(header: str) -> None:
    assert not is_signed(BODY, header, ["secret"])


def event(kind: str, **given: Any) -> bytes:
    data = {"id": "PABC123", "type": "incident", "status": "triggered", "incident_key": None, "title": "x"} | given.pop(
        "data", {}
    )
    agent = {"id": "PU1", "type": "user_reference", "summary": "Bia Souza"}
    return json.dumps({"event": {"event_type": kind, "agent": agent, "client": None, "data": data} | given}).encode()


@pytest.mark.parametrize(
    ("body", "webhook"),
    [
        (event("incident.acknowledged"), Webhook("acknowledged", "PABC123", "Bia Souza", False)),
        (event("incident.unacknowledged", agent=None), Webhook("unacknowledged", "PABC123", "", False)),
        (
            event("incident.resolved", agent={"type": "inbound_integration_reference", "summary": "Events API v2"}),
            Webhook("resolved", "PABC123", "Events API v2", True),
        ),
        (
            event(
                "incident.resolved",
                data={
                    "resolve_reason": {"type": "merge_resolve_reason", "incident": {"id": "PXYZ", "type": "incident_reference"}}
                },
            ),
            Webhook("resolved", "PABC123", "Bia Souza", False, merged_into="PXYZ"),
        ),
        (
            event("incident.triggered", client={"name": "alertrouter", "client_url": "https://r.example/incidents/x"}),
            Webhook("triggered", "PABC123", "Bia Souza", False, client_url="https://r.example/incidents/x"),
        ),
        (
            event("incident.reassigned", data={"assignees": [{"summary": "Ana"}, {"summary": "Rui"}, None, {}]}),
            Webhook("reassigned", "PABC123", "Bia Souza", False, to=("Ana", "Rui")),
        ),
        (
            event("incident.annotated", data={"id": "PNOTE", "type": "incident_note", "incident": {"id": "PABC123"}}),
            Webhook("annotated", "PABC123", "Bia Souza", False),
        ),
        (event("pagey.ping", data={"id": None, "type": "ping"}), Webhook("other pagey.ping", "", "Bia Souza", False)),
        (event("incident.from_the_future", data={"id": ["?"]}), Webhook("from_the_future", "", "Bia Souza", False)),
    ],
)
def test_an_event_is_read_with_who_did_it(body: bytes, webhook: Webhook) -> None:
    assert read(body) == webhook


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"event": 1}', b'{"event": {}}', b'{"event": {"event_type": 3}}', b"\xff", b"[" * 9999]
)
def test_what_is_no_event_is_said_in_one_line(body: bytes) -> None:
    with pytest.raises(UnreadableWebhookError) as error:
        read(body)
    assert "\n" not in str(error.value)
