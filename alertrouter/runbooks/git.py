"""Reading a git repository with dulwich. Import it where there is one: that takes 8 MB."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from dulwich.errors import ChecksumMismatch, FileFormatException, NotGitRepository
from dulwich.object_store import iter_tree_contents, tree_lookup_path
from dulwich.objects import Commit
from dulwich.repo import Repo

from alertrouter.runbooks.checkout import Head, LastChange

UNREADABLE = (NotGitRepository, FileFormatException, ChecksumMismatch, OSError, KeyError, ValueError, AssertionError)
"""What reading raises where there is no repository, or one that is broken or half written."""


@contextmanager
def _repository(place: Path) -> Iterator[tuple[Repo, str]]:
    """The repository that a file or folder is in, and its path there."""
    with Repo.discover(str(place if place.is_dir() else place.parent)) as repo:
        yield repo, place.relative_to(Path(repo.path).resolve()).as_posix()


def head_of(folder: Path, known: Head | None) -> Head:
    """See `alertrouter.runbooks.checkout.head_of`. Raises one of UNREADABLE."""
    with _repository(folder) as (repo, inside):
        head = repo.head()
        if known and known.commit == head.decode():
            return known
        commit = repo.get_object(head)
        assert isinstance(commit, Commit)
        tree = commit.tree if inside == "." else tree_lookup_path(repo.get_object, commit.tree, inside.encode())[1]
        entries = iter_tree_contents(repo.object_store, tree)
        return Head(head.decode(), {entry.path.decode("utf-8", "replace"): entry.sha.decode() for entry in entries})


def last_change(file: Path) -> LastChange | None:
    """See `alertrouter.runbooks.checkout.last_change`. Raises one of UNREADABLE."""
    with _repository(file) as (repo, inside):
        entry = next(iter(repo.get_walker(paths=[inside.encode()], max_entries=1)), None)
        if entry is None:
            return None
        commit = entry.commit
        zone = timezone(timedelta(seconds=commit.commit_timezone))
        name = commit.author.decode("utf-8", "replace").partition("<")[0].strip()
        what = commit.message.decode("utf-8", "replace").strip().partition("\n")[0]
        return LastChange(datetime.fromtimestamp(commit.commit_time, zone), name, what)
