"""Processes that can be waited for and that are ended, whatever happens."""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent.parent
_END_SECONDS = 30.0


class StackError(Exception):
    """A part that does not run; the text says which, and its last words."""


def port(usual: int | None) -> int:
    """That port of 127.0.0.1 if nobody listens there, else another: below those that outgoing connections take meanwhile."""
    others = [20_000 + secrets.randbelow(12_000) for _ in range(50)]
    for wanted in [usual, *others] if usual else others:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return wanted
    raise StackError("no port is free")


class Part:
    """A process with a session of its own: Ctrl-C on the terminal reaches only who ends it."""

    def __init__(self, name: str, arguments: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as out:
            self._popen = subprocess.Popen(  # noqa: S603 - no argument comes from outside
                arguments, cwd=ROOT, env={**os.environ, **env}, stdout=out, stderr=out, start_new_session=True
            )

    def check(self) -> None:
        """Raises StackError if it has ended."""
        if self._popen.poll() is not None:
            last = self.log.read_text(errors="replace").splitlines()[-15:]
            raise StackError("\n".join([f"{self.name} ended with {self._popen.returncode}; its last words:", *last]))

    def ask_to_end(self) -> None:
        """SIGTERM."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)

    def end(self, until: float) -> None:
        """Wait for its end, at most until then by the monotonic clock; `kill -9` for it and what it started after that."""
        try:
            self._popen.wait(max(until - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()


def end_all(parts: Sequence[Part]) -> None:
    """End them, the last that was started first."""
    until = time.monotonic() + _END_SECONDS
    for part in reversed(parts):
        part.ask_to_end()
    for part in reversed(parts):
        part.end(until)


def answers(url: str) -> bool:
    """Whether it answers with 2xx."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


def wait(parts: Sequence[Part], is_there: Callable[[], bool], is_over: Callable[[], bool]) -> bool:
    """Whether it came before all was over. Raises StackError if a part ends meanwhile."""
    while not is_over():
        for part in parts:
            part.check()
        if is_there():
            return True
        time.sleep(0.05)
    return False
