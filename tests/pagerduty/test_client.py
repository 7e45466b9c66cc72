import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import trustme
import uvicorn

from alertrouter.pagerduty.client import EventsClient
from alertrouter.pagerduty.outcomes import Failed, Limited, Outcome, Refused, Sent
from alertrouter.sandbox import create_sandbox
from processes import free_port
from serving import serve

KEY = "0123456789abcdef0123456789abcdef"
EVENT: dict[str, object] = {"event_action": "resolve", "dedup_key": "k"}


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """It runs on the one where there is one, and on the other on Windows."""
    return "asyncio", {"use_uvloop": request.param}


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
        ({"mode": "drop"}, Failed("the connection broke: ClientPayloadError", warn=False, reached=True)),
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
        assert outcome == Failed("no connection: ClientConnectorError", warn=False, reached=False)


async def test_a_connection_that_cannot_be_made_is_tried_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []
    connect = aiohttp.TCPConnector.connect

    async def counted(connector: aiohttp.TCPConnector, *given: Any, **named: Any) -> Any:
        tries.append(given)
        return await connect(connector, *given, **named)

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", counted)
    async with client_of(f"http://127.0.0.1:{free_port()}") as client:
        await client.send(EVENT, KEY)
    assert len(tries) == 3


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


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """A certificate authority that `SSL_CERT_FILE` names; nothing in the environment names a proxy."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return authority


@asynccontextmanager
async def pagerduty_in_tls(certificate: trustme.LeafCert, folder: Path) -> AsyncIterator[str]:
    """The sandbox with TLS."""
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(create_sandbox(), port=port, log_config=None, lifespan="off", ssl_certfile=str(folder / "server.pem"))
    )
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"https://localhost:{port}"
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def a_proxy(asked: list[str]) -> AsyncIterator[str]:
    """A proxy that connects to wherever it is told, and notes where and as whom."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.extend(line for line in head.splitlines() if line.startswith(("CONNECT", "Proxy-Authorization")))
        host, port = head.split()[1].split(":")
        there, back = await asyncio.open_connection(host, int(port)), (reader, writer)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pass_on(back[0], there[1]), pass_on(there[0], back[1]))

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_it_trusts_the_authorities_of_ssl_cert_file_and_no_others(authority: trustme.CA, tmp_path: Path) -> None:
    async with pagerduty_in_tls(authority.issue_cert("localhost"), tmp_path) as url, client_of(url) as client:
        assert await client.send(EVENT, KEY) == Sent()
    strangers = trustme.CA().issue_cert("localhost")
    async with pagerduty_in_tls(strangers, tmp_path) as url, client_of(url) as client:
        outcome = await client.send(EVENT, KEY)
        assert outcome == Failed("no connection: ClientConnectorCertificateError", warn=False, reached=False)


@pytest.mark.parametrize(("exempt", "is_asked"), [("", True), ("localhost", False), ("*", False)])
async def test_it_goes_through_the_proxy_of_the_environment(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exempt: str, is_asked: bool
) -> None:
    asked: list[str] = []
    async with pagerduty_in_tls(authority.issue_cert("localhost"), tmp_path) as url, a_proxy(asked) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:secret@{proxy}")
        monkeypatch.setenv("NO_PROXY", exempt)
        async with client_of(url) as client:
            assert await client.send(EVENT, KEY) == Sent()
    place = url.removeprefix("https://")
    assert asked == ([f"CONNECT {place} HTTP/1.1", "Proxy-Authorization: Basic c29tZWJvZHk6c2VjcmV0"] if is_asked else [])
