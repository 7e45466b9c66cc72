"""A TCP proxy that can lose, delay and hold back what goes through it."""

import asyncio
from contextlib import suppress

_CHUNK = 65536


class Proxy:
    """One way between two parts; `to` is the port of 127.0.0.1 that it leads to, or a unix socket."""

    def __init__(self, to: int | str) -> None:
        self.to = to
        self.port = 0
        self.delay = 0.0
        self._is_cut = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End everything."""
        assert self._server is not None
        self._server.close()
        self.heal()
        self.drop()
        while self._ends:
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        self._is_cut = True
        self.drop()

    def stall(self) -> None:
        """Let nothing through, and end nothing."""
        self._flows.clear()

    def drop(self) -> None:
        """End every connection, and what is on its way is lost."""
        for end in self._ends:
            end.transport.abort()

    def heal(self) -> None:
        """Let everything through, and what was held back first."""
        self._is_cut, self.delay = False, 0.0
        self._flows.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            if self._is_cut:
                return
            await self._flows.wait()
            there, back = await self._connect()
            self._ends.add(back)
            try:
                if not writer.transport.is_closing():  # dropped while it waited, with all that the reader holds
                    await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
            finally:
                self._end(back)
        except OSError:
            pass
        finally:
            self._end(writer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.to, str):
            return await asyncio.open_unix_connection(self.to)
        return await asyncio.open_connection("127.0.0.1", self.to)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._flows.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    def _end(self, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        self._ends.discard(writer)
