import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from alertrouter.pagerduty.client import EventsClient
from alertrouter.pagerduty.outcomes import Failed, Limited, Outcome, Refused, Sent
from alertrouter.sandbox import create_sandbox
from processes import free_port
from serving import serve

KEY = "0123456789abcdef0123456789abcdef"
EVENT: dict[str, object] = {"event_action": "resolve", "dedup_key": "k"}


@asynccontextmanager
async def client_of(url: str, deadline: float = 5.0) -> AsyncIterator[EventsClient]:
    client = EventsClient(url, deadline)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({}, Sent()),
        ({"mode": "empty"}, Sent()),
        ({"mode": "429"}, Limited(None)),
        ({"mode": "500"}, Failed("the answer was 500", warn=False, reached=True)),
        ({"mode": "401"}, Failed("the answer was 401", warn=True, reached=False)),
        ({"mode": "html"}, Failed("the answer was 200", warn=True, reached=True)),
        # accepted, but the answer was lost; and no answer at all
        ({"mode": "drop"}, Failed("the connection broke: RemoteProtocolError", warn=False, reached=True)),
        ({"mode": "hang", "seconds": 2}, Failed("no answer in time", warn=False, reached=True)),
    ],
)
async def test_trouble_is_an_outcome_never_an_exception(fault: dict[str, Any], expected: Outcome) -> None:
    async with serve(create_sandbox()) as url, client_of(url, 1.0) as client:
        if fault:
            async with httpx.AsyncClient() as http:
                (await http.post(f"{url}/faults", json=fault)).raise_for_status()
        assert await client.send(EVENT, KEY) == expected


async def test_a_refusal_brings_pagerdutys_errors_and_not_the_key() -> None:
    async with serve(create_sandbox()) as url, client_of(url) as client:
        outcome = await client.send({"event_action": "trigger"}, KEY)
        assert isinstance(outcome, Refused)
        assert "payload" in str(outcome)
        assert KEY not in str(outcome)


async def test_a_server_that_is_not_there_has_certainly_not_been_reached() -> None:
    async with client_of(f"http://127.0.0.1:{free_port()}") as client:
        outcome = await asyncio.wait_for(client.send(EVENT, KEY), 5)
        assert outcome == Failed("no connection: ConnectError", warn=False, reached=False)


async def test_what_is_somebody_elses_by_the_time_the_connection_stands_does_not_go_out() -> None:
    async def nobody() -> bool:
        return False

    sandbox = create_sandbox()
    async with serve(sandbox) as url, client_of(url) as client:
        assert await client.send(EVENT, KEY, is_ours=nobody) == Failed(
            "the lease was over before it was sent", warn=False, reached=False
        )
        assert not sandbox.state.sandbox.received
        assert await client.send(EVENT, KEY) == Sent()
