"""The commit of a section, where the folder is a git checkout."""

import os
from pathlib import Path

import pytest
from dulwich import porcelain

from alertrouter.runbooks.checkout import blob_of, head_of
from alertrouter.runbooks.library import Library

WHO = b"Ana <ana@example.com>"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a folder of runbooks that is committed."""
    porcelain.init(str(tmp_path))
    folder = tmp_path / "docs" / "runbooks"
    folder.mkdir(parents=True)
    (folder / "a.md").write_text("# Alert\nOne.\n")
    commit(tmp_path, "docs/runbooks/a.md")
    return tmp_path


def commit(checkout: Path, path: str) -> str:
    porcelain.add(str(checkout), [str(checkout / path)])
    return porcelain.commit(str(checkout), message=b"x", author=WHO, committer=WHO).decode()


def commit_of_alert(library: Library) -> str | None:
    library.load()
    match = library.shelf.index.find({"alertname": "Alert"})
    assert match
    return match.section.commit


def touch(file: Path, text: str) -> None:
    file.write_text(text)
    os.utime(file, ns=(1, file.stat().st_mtime_ns + 1))


def test_a_section_has_the_commit_that_holds_its_file_as_it_is(checkout: Path) -> None:
    folder = checkout / "docs" / "runbooks"
    library = Library([folder])
    first = commit_of_alert(library)
    assert first
    assert len(first) == 40
    touch(folder / "a.md", "# Alert\nTwo.\n")
    assert commit_of_alert(library) is None  # edited and not committed
    second = commit(checkout, "docs/runbooks/a.md")
    assert commit_of_alert(library) == second != first


def test_a_checkout_reached_through_a_link_is_one_too(checkout: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(checkout / "docs" / "runbooks")
    assert commit_of_alert(Library([link]))


def test_a_folder_that_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Alert\nOne.\n")
    assert commit_of_alert(Library([tmp_path])) is None


@pytest.mark.parametrize("broken", ["HEAD", "objects"])
def test_a_broken_repository_costs_the_commit_and_nothing_else(checkout: Path, broken: str) -> None:
    place = checkout / ".git" / broken
    if place.is_dir():
        for file in place.rglob("*"):
            if file.is_file():
                file.chmod(0o644)
                file.write_bytes(b"rubbish")
    else:
        place.write_bytes(b"\xff rubbish")
    assert commit_of_alert(Library([checkout / "docs" / "runbooks"])) is None


def test_a_repository_without_a_commit_has_no_head(tmp_path: Path) -> None:
    porcelain.init(str(tmp_path))
    assert head_of(tmp_path) is None


def test_a_blob_is_named_as_git_does() -> None:
    assert blob_of(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
