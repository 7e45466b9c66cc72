import os
from pathlib import Path

import pytest

from alertrouter.runbooks.library import Library


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def loaded(*folders: Path) -> Library:
    library = Library(folders)
    library.load()
    return library


def test_markdown_is_read_from_all_folders_and_their_folders(tmp_path: Path) -> None:
    write(tmp_path / "a", {"one.md": "# One", "deep/er/two.MD": "# Two", "no.txt": "# No", ".git/x.md": "# X"})
    write(tmp_path / "b", {"three.md": "\ufeff# Three", "one.md": "# Hidden"})
    library = loaded(tmp_path / "a", tmp_path / "b")
    assert [document.path for document in library.documents] == ["one.md", "deep/er/two.MD", "three.md"]
    assert library.errors == (f"{tmp_path}/b/one.md:1: an earlier folder holds the same path, and counts",)
    match = library.index.find({"alertname": "Three"})
    assert match
    assert (match.section.path, match.section.anchor) == ("three.md", "three")


def test_what_cannot_be_read_costs_one_line_and_the_rest_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "r", {"good.md": "# Good", "big.md": "x" * (1024 * 1024 + 1)})
    (folder / "latin.md").write_bytes("# Título\n\nação".encode("latin-1"))
    (folder / "broken.md").symlink_to("nowhere.md")
    (folder / "loop.md").symlink_to("loop.md")
    os.mkfifo(folder / "pipe.md")
    library = loaded(folder)
    assert [document.path for document in library.documents] == ["good.md"]
    assert sorted(library.errors) == [
        f"{folder}/big.md:1: larger than 1 MiB",
        f"{folder}/broken.md:1: the link leads nowhere",
        f"{folder}/latin.md:1: not UTF-8",
        f"{folder}/loop.md:1: the link leads nowhere",
        f"{folder}/pipe.md:1: not a regular file",
    ]


def test_the_line_of_the_first_byte_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"# A\n\nok\n\xff")
    assert loaded(tmp_path).errors == (f"{tmp_path}/a.md:4: not UTF-8",)


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "outside", {"secret.md": "# Secret"})
    folder = write(tmp_path / "r", {"in.md": "# In"})
    (folder / "out.md").symlink_to(secret / "secret.md")
    (folder / "dir").symlink_to(secret)
    (folder / "same.md").symlink_to("in.md")
    library = loaded(folder)
    assert [document.path for document in library.documents] == ["in.md", "same.md"]
    assert library.errors == (f"{folder}/out.md:1: the link leads out of the folder",)


def test_a_folder_mounted_by_kubernetes_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "..2024_01_01", {"a.md": "# A"})
    (tmp_path / "..data").symlink_to("..2024_01_01")
    (tmp_path / "a.md").symlink_to("..data/a.md")
    assert [document.path for document in loaded(tmp_path).documents] == ["a.md"]


def test_a_missing_folder_is_an_error_line(tmp_path: Path) -> None:
    assert loaded(tmp_path / "none").errors == (f"{tmp_path}/none:1: No such file or directory",)


def test_a_name_that_is_not_utf_8_is_an_error_line(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md")).write_text("# A")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    library = loaded(tmp_path)
    assert library.documents == ()
    assert library.errors == (f"{tmp_path}/\\udcff.md:1: the name is not UTF-8",)


def test_loading_again_takes_what_is_there_now(tmp_path: Path) -> None:
    library = loaded(write(tmp_path, {"a.md": "# A"}))
    (tmp_path / "a.md").unlink()
    write(tmp_path, {"b.md": "# B"})
    library.load()
    assert [document.path for document in library.documents] == ["b.md"]
    assert library.index.find({"alertname": "A"}) is None
