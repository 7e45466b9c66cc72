"""The git checkout that a folder of runbooks may stand in; it is only read, and without a git program."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import sha1
from pathlib import Path

from dulwich.errors import ChecksumMismatch, FileFormatException, NotGitRepository
from dulwich.object_store import iter_tree_contents, tree_lookup_path
from dulwich.objects import Commit
from dulwich.repo import Repo

_UNREADABLE = (NotGitRepository, FileFormatException, ChecksumMismatch, OSError, KeyError, ValueError, AssertionError)


@dataclass(frozen=True, slots=True)
class Head:
    """What is checked out: the commit, 40 hex digits, and the blob of each file of the folder by its path (posix, relative)."""

    commit: str
    blobs: Mapping[str, str]


def head_of(folder: Path, known: Head | None = None) -> Head | None:
    """The head of the checkout that holds `folder`, None if there is none; `known` is given back while it still is the head."""
    try:
        place = folder.resolve()
        with Repo.discover(str(place)) as repo:
            head = repo.head()
            if known and known.commit == head.decode():
                return known
            commit = repo.get_object(head)
            assert isinstance(commit, Commit)
            inside = place.relative_to(Path(repo.path).resolve()).as_posix()
            tree = commit.tree if inside == "." else tree_lookup_path(repo.get_object, commit.tree, inside.encode())[1]
            entries = iter_tree_contents(repo.object_store, tree)
            return Head(head.decode(), {entry.path.decode("utf-8", "replace"): entry.sha.decode() for entry in entries})
    except _UNREADABLE:
        return None


@dataclass(frozen=True, slots=True)
class LastChange:
    """The commit that changed a file last: when, by whom, and its first line."""

    at: datetime
    by: str
    what: str


def last_change(file: Path) -> LastChange | None:
    """What git's log of a file says first; None outside a checkout, and for a file that is not in it.

    Goes back through the log until the file is found changed: of a long one that may take seconds.
    """
    try:
        place = file.resolve()
        with Repo.discover(str(place.parent)) as repo:
            inside = place.relative_to(Path(repo.path).resolve()).as_posix()
            entry = next(iter(repo.get_walker(paths=[inside.encode()], max_entries=1)), None)
            if entry is None:
                return None
            commit = entry.commit
            zone = timezone(timedelta(seconds=commit.commit_timezone))
            name = commit.author.decode("utf-8", "replace").partition("<")[0].strip()
            what = commit.message.decode("utf-8", "replace").strip().partition("\n")[0]
            return LastChange(datetime.fromtimestamp(commit.commit_time, zone), name, what)
    except _UNREADABLE:
        return None


def blob_of(content: bytes) -> str:
    """The name that git gives a file's content."""
    return sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
