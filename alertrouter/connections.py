"""Connections: slow, silent and oversized ones end, and never stop a notification from coming in.

uvicorn gives a request as long as it likes. Alertmanager sends one within milliseconds, and its connections may be idle for long.
"""

import asyncio
import resource
from asyncio import TimerHandle
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from alertrouter import telemetry

KEEP_ALIVE_SECONDS = 330
"""Longer than the 5 minutes for which Alertmanager keeps an idle connection."""
MOST_HEAD = 64 * 1024
MOST_HEADERS = 128
SENDER = "alertrouter.sender"
"""In a request's extensions: who waits for its answer, as `file`."""
_SPARE_FILES = 256


class Guarded(HttpToolsProtocol):
    """One connection. A request has `head_seconds` for its headers, `request_seconds` in all; a reader may stand still as long.

    Of more than `most` connections one is ended: the one whose request has been arriving for the longest time, or else the one
    that has been idle for the longest, or else the oldest answer to a GET (a browser's page, which asks again). A request that
    has arrived and changes something is answered; if nothing else is left, the newest connection ends.
    """

    head_seconds: ClassVar[float] = 15.0
    request_seconds: ClassVar[float] = 60.0
    look_seconds: ClassVar[float] = 5.0
    most: ClassVar[int] = max(64, min(2048, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_FILES))

    def __init__(self, *arguments: Any, **given: Any) -> None:
        super().__init__(*arguments, **given)
        self.since = self.loop.time()
        self._stuck_since: float | None = None
        self._is_arriving = self._in_head = True
        self._head = 0
        self._too_large = ""
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch a connection; make room for it."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.look_seconds, self._look)
        if len(self.connections) > self.most:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch it no more."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes in; headers that are too large end the connection before they are whole."""
        super().data_received(data)
        if self._in_head and self._is_arriving and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MOST_HEAD:
                self._too_large = f"the headers are larger than {MOST_HEAD} bytes"
                self.send_400_response(self._too_large)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.scope["extensions"] = {SENDER: {"file": self.file}}
        self.since = self.loop.time()
        self._is_arriving = self._in_head = True
        self._head = 0

    def on_headers_complete(self) -> None:
        """All headers are there."""
        self._in_head = False
        if len(self.headers) > MOST_HEADERS:
            self._too_large = f"there are more than {MOST_HEADERS} headers"
        elif len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_HEAD:
            self._too_large = f"the headers are larger than {MOST_HEAD} bytes"
        if self._too_large:
            raise httptools.HttpParserError(self._too_large)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self._is_arriving = False
        self.since = self.loop.time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It is answered."""
        if not self._is_arriving:
            self.since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The other side does not read."""
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        self._stuck_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or is too large (431)."""
        if not self._too_large:
            telemetry.CONNECTIONS_ENDED.labels("no HTTP").inc()
            super().send_400_response(msg)
            return
        telemetry.CONNECTIONS_ENDED.labels("headers").inc()
        text = self._too_large.encode()
        self.transport.write(
            STATUS_LINE[431]
            + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(text)
            + text
        )
        self.transport.close()

    @property
    def _is_at_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _look(self) -> None:
        if self.transport.is_closing() and self._stuck_since is None:
            return
        if self._is_overdue():
            self.end("slow")
        else:
            self._timer = self.loop.call_later(self.look_seconds, self._look)

    def _is_overdue(self) -> bool:
        now = self.loop.time()
        if self._stuck_since is not None and now - self._stuck_since > self.request_seconds:
            return True
        if self._is_arriving:
            return now - self.since > (self.head_seconds if self._in_head else self.request_seconds)
        return not self._is_at_work and now - self.since > KEEP_ALIVE_SECONDS + self.look_seconds

    def _make_room(self) -> None:
        others = [
            one for one in self.connections if isinstance(one, Guarded) and one is not self and not one.transport.is_closing()
        ]
        ranked = [(one.rank, one.since, number) for number, one in enumerate(others) if one.rank is not None]
        (others[min(ranked)[-1]] if ranked else self).end("too many")

    def file(self) -> int:
        """See `alertrouter.senders.Sender`."""
        number: int = -1 if self.transport.is_closing() else self.transport.get_extra_info("socket").fileno()
        return number

    @property
    def rank(self) -> int | None:
        """How soon it is ended to make room for another one; None for never."""
        if self._is_arriving:
            return 0
        if not self._is_at_work:
            return 1
        return 2 if self.scope["method"] in {"GET", "HEAD"} else None

    def end(self, why: str) -> None:
        """End it at once, whatever is left to be sent."""
        telemetry.CONNECTIONS_ENDED.labels(why).inc()
        self.transport.abort()
