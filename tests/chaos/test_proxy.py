"""The proxy loses what it says is lost: were it to deliver that later, chaos would find faults that are the proxy's own."""

import asyncio
from contextlib import suppress

import pytest

from chaos.proxy import Proxy


@pytest.mark.parametrize("is_old", [True, False], ids=["on an old connection", "on one that was made meanwhile"])
async def test_what_is_held_back_and_then_cut_never_arrives(is_old: bool) -> None:
    arrived: list[bytes] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
            while data := await reader.read(100):
                arrived.append(data)
                writer.write(data)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        proxy = Proxy(server.sockets[0].getsockname()[1])
        await proxy.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        if is_old:
            await _said(b"before", reader, writer)
            proxy.stall()
        else:
            writer.close()
            proxy.stall()
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"lost")
        await asyncio.sleep(0.05)
        proxy.cut()
        with suppress(ConnectionResetError):
            assert await reader.read(100) == b""
        writer.close()
        proxy.heal()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await _said(b"after", reader, writer)
        writer.close()
        await proxy.stop()
    assert b"lost" not in arrived


async def _said(word: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """It goes there and back."""
    writer.write(word)
    assert await reader.read(100) == word
