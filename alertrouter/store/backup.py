"""Copies of a SQLite database, taken while it is being written to, and putting one in the place of another."""

import os
import sqlite3
import stat
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

_BESIDE = ("", "-wal", "-shm")


class BackupError(Exception):
    """A copy cannot be made or used; the text says which and what to do."""


def copy(source: Path, target: Path) -> None:
    """Copy a database to a file that is not there yet, whole or not at all. Raises BackupError.

    SQLite's online backup in one step: a snapshot of one moment, for which no writer waits (https://www.sqlite.org/backup.html).
    """
    if target.exists():
        raise BackupError(f"{target} is there already, and is not overwritten")
    if not target.parent.is_dir():
        raise BackupError(f"there is no folder {target.parent}")
    part = target.with_name(target.name + ".part")
    try:
        with _opened(source) as original:
            part.unlink(missing_ok=True)
            part.touch(stat.S_IMODE(source.stat().st_mode))
            with closing(sqlite3.connect(part)) as copied:
                original.backup(copied)
                copied.execute("PRAGMA journal_mode = DELETE")  # one file, which a read-only place can hold
                _check(copied, source)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(target)
    except (sqlite3.Error, OSError) as problem:
        raise BackupError(f"{source} cannot be copied to {target}: {problem}") from problem
    finally:
        part.unlink(missing_ok=True)


def is_in_use(database: Path) -> bool:
    """Whether another process has a database open. A damaged one, or none, is not in use as far as can be told."""
    if not database.exists():
        return False
    with closing(sqlite3.connect(database, timeout=0)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")  # leaves WAL: only where nobody else is
        except sqlite3.DatabaseError as problem:
            return problem.sqlite_errorcode == sqlite3.SQLITE_BUSY
    return False


def put_in_place(new: Path, database: Path, now: datetime) -> Path | None:
    """Let `new` be the database, with the owner of the one that was there; where that has gone, None if there was none."""
    aside = database.with_name(f"{database.name}.before-{now:%Y%m%dT%H%M%SZ}")
    had_one = database.exists()
    owner = (database if had_one else database.parent).stat()
    if os.geteuid() == 0:  # or the service, which has a user of its own, could not write to what root has restored
        os.chown(new, owner.st_uid, owner.st_gid, follow_symlinks=False)
    for end in reversed(_BESIDE):
        if (old := database.with_name(database.name + end)).exists():
            old.rename(aside.with_name(aside.name + end))
    new.rename(database)
    return aside if had_one else None


def discard(database: Path) -> None:
    """Remove a database that nobody wants."""
    for end in _BESIDE:
        database.with_name(database.name + end).unlink(missing_ok=True)


def _opened(path: Path) -> closing[sqlite3.Connection]:
    """A database that is only read."""
    if not path.is_file():
        raise BackupError(f"there is no file {path}")
    return closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True))


def _check(copied: sqlite3.Connection, source: Path) -> None:
    """Raise BackupError unless a copy is whole and one of alertrouter."""
    [(found,)] = copied.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise BackupError(f"{source} is damaged: {found}")
    tables = {row[0] for row in copied.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"alembic_version", "incident", "delivery"} <= tables:
        raise BackupError(f"{source} is no database of alertrouter")
