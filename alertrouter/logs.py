"""Logs: one line for each thing that happened, none for each look whether something did."""

import asyncio
import atexit
import logging
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

import structlog

from alertrouter import traces
from alertrouter.incidents import Change

_FIRST = ("timestamp", "level", "message", "service", "trace_id", "span_id")
_TOGETHER_SECONDS = 0.02
_log = structlog.get_logger()


def configure(form: Literal["json", "console"] | None, level: str = "INFO") -> None:
    """Write to standard output: JSON, or for people's eyes; None is for people's eyes where a terminal is watching."""
    form = form or ("console" if sys.stdout.isatty() else "json")
    for_machines = [structlog.processors.EventRenamer("message"), structlog.processors.format_exc_info, _in_order]
    for_eyes = structlog.dev.ConsoleRenderer(
        colors=sys.stdout.isatty(),
        exception_formatter=structlog.dev.plain_traceback,  # others show variables, which may hold keys
    )
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer() if form == "json" else for_eyes
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_the_service,
            _name_the_trace,
            *(for_machines if form == "json" else ()),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_Output()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStructlog()], force=True)


def tell(changes: Sequence[Change], trace: str = "") -> None:
    """A line for each line that decisions have written on a timeline; `trace` is the trace context of what caused them."""
    for change in changes:
        incident = change.state.incident
        facts = {"incident": incident.id, "source": incident.source, "target": incident.target, **traces.ids(trace)}
        for entry in change.entries:
            _log.info(f"incident: {entry.kind.replace('_', ' ')}", **{**entry.detail, **facts, "severity": incident.severity})


class OncePerSecond:
    """For a line that would come thousands of times a second, when writing it would cost more than what it is about."""

    def __init__(self) -> None:
        self._next = float("-inf")
        self._waiting = 0

    def lines(self, now: float) -> int:
        """How many lines the one that is to be written now stands for; 0 when none is. `now` in seconds since some moment."""
        self._waiting += 1
        if now < self._next:
            return 0
        times, self._waiting, self._next = self._waiting, 0, now + 1
        return times


class _Output:
    """Standard output, where a full disk or a closed pipe costs lines of the log and nothing else.

    In an event loop, lines that follow each other within 20 ms are written together: whoever writes lets go of the interpreter,
    and waits for up to 5 ms to get it back from a writer that is busy.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._one_at_a_time = threading.Lock()
        self._written_by: asyncio.AbstractEventLoop | None = None
        self._next = 0.0
        atexit.register(self._write)

    def write(self, text: str) -> None:
        """Keep this to be written."""
        self._lines.append(text)

    def flush(self) -> None:
        """Write: soon, or now where there is no event loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write()
            return
        if self._written_by is not loop:
            self._written_by = loop
            self._next = max(self._next, loop.time())
            loop.call_at(self._next, self._write)
            self._next += _TOGETHER_SECONDS

    def _write(self) -> None:
        self._written_by = None
        with self._one_at_a_time:  # what a thread says stays in one piece
            while self._lines:
                with suppress(OSError, ValueError):
                    sys.stdout.write(self._lines.popleft())
            with suppress(OSError, ValueError):
                sys.stdout.flush()


class _ToStructlog(logging.Handler):
    """Libraries' warnings, in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


def _name_the_service(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event["service"] = "alertrouter"
    return event


def _name_the_trace(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event if "trace_id" in event else {**event, **traces.ids(traces.current())}


def _in_order(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """What every line has comes first, so that eyes find it at one place."""
    return {**{name: event[name] for name in _FIRST if name in event}, **event}
