"""The git checkout that a folder of runbooks may stand in; it is only read, and without a git program."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Head:
    """What is checked out: the commit, 40 hex digits, and the blob of each file of the folder by its path (posix, relative)."""

    commit: str
    blobs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LastChange:
    """The commit that changed a file last: when, by whom, and its first line."""

    at: datetime
    by: str
    what: str


def head_of(folder: Path, known: Head | None = None) -> Head | None:
    """The head of the checkout that holds `folder`, None if there is none; `known` is given back while it still is the head."""
    if (place := _in_checkout(folder)) is None:
        return None
    from alertrouter.runbooks import git  # noqa: PLC0415 - only where there is a checkout

    try:
        return git.head_of(place, known)
    except git.UNREADABLE:
        return None


def last_change(file: Path) -> LastChange | None:
    """What git's log of a file says first; None outside a checkout, and for a file that is not in it.

    Goes back through the log until the file is found changed: of a long one that may take seconds.
    """
    if (place := _in_checkout(file)) is None:
        return None
    from alertrouter.runbooks import git  # noqa: PLC0415 - see above

    try:
        return git.last_change(place)
    except git.UNREADABLE:
        return None


def blob_of(content: bytes) -> str:
    """The name that git gives a file's content."""
    return sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _in_checkout(path: Path) -> Path | None:
    """Its real place, if that or a folder above it holds a repository."""
    try:
        place = path.resolve()
        return place if any((folder / ".git").exists() for folder in (place, *place.parents)) else None
    except OSError:
        return None
