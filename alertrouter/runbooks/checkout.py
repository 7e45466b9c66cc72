"""The git checkout that a folder of runbooks may stand in; it is only read, and without a git program."""

from collections.abc import Mapping
from dataclasses import dataclass
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


def blob_of(content: bytes) -> str:
    """The name that git gives a file's content."""
    return sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
