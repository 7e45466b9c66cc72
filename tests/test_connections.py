"""Slow, silent and oversized connections end, and notifications come in beside them. Real sockets."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alertrouter.connections import Guarded
from alertrouter.web.app import create_app
from processes import notification
from serving import running, serve, until

POST = b"POST /echo HTTP/1.1\r\nHost: router.test\r\n"


class Other:
    """The other side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def drip(self, data: bytes) -> None:
        """A byte every few milliseconds, until the server has had enough."""
        with contextlib.suppress(ConnectionError):
            for byte in data:
                self.write(bytes([byte]))
                await self.writer.drain()
                await asyncio.sleep(0.005)

    async def ended(self) -> bytes:
        """What the server said before it ended the connection."""
        said = b""
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                while some := await self.reader.read(65536):
                    said += some
        return said

    async def answer(self) -> bytes:
        """The next answer's status line."""
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await self.reader.readexactly(length)
            return head.partition(b"\r\n")[0]


@asynccontextmanager
async def connected(url: str, count: int = 1) -> AsyncIterator[list[Other]]:
    address = urlsplit(url)
    others = [Other(*await asyncio.open_connection(address.hostname, address.port)) for _ in range(count)]
    try:
        yield others
    finally:
        for one in others:
            one.writer.transport.abort()


def ended(why: str) -> float:
    return REGISTRY.get_sample_value("alertrouter_connections_ended_total", {"why": why}) or 0


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("head_seconds", 0.3), ("request_seconds", 0.6), ("look_seconds", 0.05)):
        monkeypatch.setattr(Guarded, name, seconds)


class Echo:
    """An application that answers with the body's length; `/wait` when it is told to, `/flood` with more than anybody buffers."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.at_work = 0
        routes = [Route(f"/{one.__name__}", one, methods=["GET", "POST"]) for one in (self.echo, self.wait, self.flood)]
        self.app = Starlette(routes=routes)

    async def echo(self, request: Request) -> Response:
        return Response(str(len(await request.body())))

    async def wait(self, request: Request) -> Response:
        await request.body()
        self.at_work += 1
        await self.go_on.wait()
        return Response("done")

    async def flood(self, _request: Request) -> Response:
        return Response(b"x" * 50_000_000)


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        pytest.param(b"", b"", id="nothing at all"),
        pytest.param(b"", POST + b"X: y\r\n" * 100, id="headers, drop by drop"),
        pytest.param(b"\r\n", b"\r\n" * 200, id="empty lines for ever"),
        pytest.param(POST + b"Content-Length: 1000\r\n\r\n", b"x" * 900, id="a body, drop by drop"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 150, id="chunks, drop by drop"),
        pytest.param(POST + b"Content-Length: 2\r\n\r\nok", POST + b"X: y\r\n" * 100, id="the second request, drop by drop"),
    ],
)
@pytest.mark.usefixtures("short")
async def test_a_request_that_takes_too_long_to_arrive_ends_its_connection(first: bytes, rest: bytes) -> None:
    before = ended("slow")
    async with serve(Echo().app) as url, connected(url) as [other]:
        other.write(first)
        dripping = asyncio.ensure_future(other.drip(rest))
        said = await other.ended()
        assert said.count(b"HTTP/1.1 200") == first.count(b"ok")
        await dripping
    assert ended("slow") == before + 1


@pytest.mark.usefixtures("short")
async def test_who_does_not_read_is_not_waited_for() -> None:
    before = ended("slow")
    async with serve(Echo().app) as url, connected(url) as [other]:
        other.write(b"GET /flood HTTP/1.1\r\nHost: router.test\r\n\r\n")
        await until(lambda: asyncio.sleep(0, ended("slow") > before))


@pytest.mark.usefixtures("short")
async def test_an_idle_connection_and_a_long_answer_are_left_alone() -> None:
    echo = Echo()
    async with serve(echo.app) as url, connected(url) as [other]:
        for _ in range(2):
            other.write(POST + b"Content-Length: 2\r\n\r\nok")
            assert await other.answer() == b"HTTP/1.1 200 OK"
            await asyncio.sleep(1)  # longer than all that is measured here
        other.write(POST.replace(b"echo", b"wait") + b"Content-Length: 2\r\n\r\nok")
        await asyncio.sleep(1)
        echo.go_on.set()
        assert await other.answer() == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (POST + b"X: " + b"x" * 60_000 + b"\r\n\r\n", b"200 OK"),
        (POST + b"X: " + b"x" * 70_000 + b"\r\n\r\n", b"431 "),
        (POST + b"X: " + b"x" * 400_000, b"431 "),
        (POST + b"X: y\r\n" * 127 + b"\r\n", b"200 OK"),
        (POST + b"X: y\r\n" * 128 + b"\r\n", b"431 "),
        (POST + b"X: y\r\n" * 100_000, b"431 "),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"431 "),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", b"400 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400 "),
    ],
    ids=range(9),
)
async def test_headers_have_a_ceiling(head: bytes, status: bytes) -> None:
    async with serve(Echo().app) as url, connected(url) as [other]:
        with contextlib.suppress(ConnectionError):
            other.write(head)
            await other.writer.drain()
        line = await other.reader.readline()
    assert line.startswith(b"HTTP/1.1 " + status), line


async def test_room_is_made_by_ending_what_arrives_slowest_then_idle_ones_then_pages_and_never_a_post_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    echo = Echo()
    async with serve(echo.app) as url, connected(url, 4) as [post, page, idle, slow]:
        monkeypatch.setattr(Guarded, "most", 4)
        body = b"Content-Length: 2\r\n\r\nok"
        post.write(POST.replace(b"echo", b"wait") + body)
        page.write(b"GET /wait HTTP/1.1\r\nHost: router.test\r\n\r\n")
        idle.write(POST + body)
        await idle.answer()
        slow.write(POST)
        await until(lambda: asyncio.sleep(0, echo.at_work == 2))
        for victim in (slow, idle, page):
            async with connected(url) as [newcomer]:
                newcomer.write(POST.replace(b"echo", b"wait") + body)
                assert await victim.ended() == b""
                monkeypatch.setattr(Guarded, "most", Guarded.most - 1)
        echo.go_on.set()
        assert await post.answer() == b"HTTP/1.1 200 OK"


async def test_slow_clients_do_not_stop_intake(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guarded, "most", 20)
    async with running(url, tmp_path) as router, serve(create_app(router.service)) as address:
        async with connected(address, 60) as slow, httpx.AsyncClient(base_url=address, timeout=10) as alertmanager:
            attack = [asyncio.ensure_future(one.drip(POST * 100)) for one in slow]
            for number in range(20):
                answer = await alertmanager.post("/webhooks/alertmanager", json=notification(group=f"g{number}"))
                assert answer.status_code == 200
                async with connected(address, 5) as more:
                    for one in more:
                        one.write(POST)
            for drip in attack:
                drip.cancel()
        assert len((await router.http.get("/api/v1/incidents")).json()["incidents"]) == 20


async def test_a_notification_whose_sender_gave_up_while_the_process_was_frozen_is_not_taken(url: str, tmp_path: Path) -> None:
    def refused() -> float:
        return REGISTRY.get_sample_value("alertrouter_notifications_total", {"source": "", "outcome": "503"}) or 0

    before = refused()
    content = json.dumps(notification()).encode()
    head = f"POST /webhooks/alertmanager HTTP/1.1\r\nHost: router.test\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    async with running(url, tmp_path) as router, serve(create_app(router.service)) as address:
        there = (urlsplit(address).hostname, urlsplit(address).port)
        frozen = [socket.create_connection(there, timeout=5) for _ in range(5)]  # nothing here lets the event loop go round
        for sender in frozen:
            sender.sendall(head + content)
            sender.close()
        await until(lambda: asyncio.sleep(0, refused() == before + len(frozen)))
        assert (await router.http.get("/api/v1/incidents")).json()["incidents"] == []
