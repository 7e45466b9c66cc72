import os
import shutil
import time
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


def errors(library: Library) -> list[str]:
    return [str(trouble) for trouble in library.shelf.troubles]


def test_markdown_is_read_from_all_folders_and_their_folders(tmp_path: Path) -> None:
    write(tmp_path / "a", {"one.md": "# One", "deep/er/two.MD": "# Two", "no.txt": "# No", ".git/x.md": "# X"})
    write(tmp_path / "b", {"three.md": "\ufeff# Three", "one.md": "# Hidden"})
    library = loaded(tmp_path / "a", tmp_path / "b")
    assert [document.path for document in library.shelf.documents] == ["one.md", "deep/er/two.MD", "three.md"]
    assert errors(library) == [f"{tmp_path}/b/one.md:1: an earlier folder holds the same path, and counts"]
    match = library.shelf.index.find({"alertname": "Three"})
    assert match
    assert (match.section.path, match.section.anchor) == ("three.md", "three")


def test_what_cannot_be_read_costs_one_line_and_the_rest_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "r", {"good.md": "# Good", "big.md": "x" * (1024 * 1024 + 1)})
    (folder / "latin.md").write_bytes("# Título\n\nação".encode("latin-1"))
    (folder / "broken.md").symlink_to("nowhere.md")
    (folder / "loop.md").symlink_to("loop.md")
    os.mkfifo(folder / "pipe.md")
    library = loaded(folder)
    assert [document.path for document in library.shelf.documents] == ["good.md"]
    assert sorted(errors(library)) == [
        f"{folder}/big.md:1: larger than 1 MiB",
        f"{folder}/broken.md:1: the link leads nowhere",
        f"{folder}/latin.md:1: not UTF-8",
        f"{folder}/loop.md:1: the link leads nowhere",
        f"{folder}/pipe.md:1: not a regular file",
    ]


def test_the_line_of_the_first_byte_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"# A\n\nok\n\xff")
    assert errors(loaded(tmp_path)) == [f"{tmp_path}/a.md:4: not UTF-8"]


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "outside", {"secret.md": "# Secret"})
    folder = write(tmp_path / "r", {"in.md": "# In"})
    (folder / "out.md").symlink_to(secret / "secret.md")
    (folder / "dir").symlink_to(secret)
    (folder / "same.md").symlink_to("in.md")
    library = loaded(folder)
    assert [document.path for document in library.shelf.documents] == ["in.md", "same.md"]
    assert errors(library) == [
        f"{folder}/dir:1: a link to a folder is not followed",
        f"{folder}/out.md:1: the link leads out of the folder",
    ]


def test_a_folder_mounted_by_kubernetes_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "..2024_01_01", {"a.md": "# A"})
    (tmp_path / "..data").symlink_to("..2024_01_01")
    (tmp_path / "a.md").symlink_to("..data/a.md")
    assert [document.path for document in loaded(tmp_path).shelf.documents] == ["a.md"]


def test_a_missing_folder_is_an_error_line(tmp_path: Path) -> None:
    assert errors(loaded(tmp_path / "none")) == [f"{tmp_path}/none:1: No such file or directory"]


def test_a_name_that_is_not_utf_8_is_an_error_line(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md")).write_text("# A")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    library = loaded(tmp_path)
    assert library.shelf.documents == ()
    assert errors(library) == [f"{tmp_path}/\\udcff.md:1: the name is not UTF-8"]


class Seconds:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_loading_again_takes_what_is_there_now_and_forgives_a_file_that_is_away_for_a_moment(tmp_path: Path) -> None:
    seconds = Seconds()
    library = Library([write(tmp_path, {"a.md": "# A"})], seconds)
    library.load()
    (tmp_path / "a.md").rename(tmp_path / "a.md~")
    write(tmp_path, {"b.md": "# B"})
    assert library.load()
    assert library.shelf.index.find({"alertname": "A"})
    (tmp_path / "a.md~").rename(tmp_path / "a.md")
    seconds.now += 10
    library.load()
    (tmp_path / "a.md").unlink()
    library.load()
    assert library.shelf.index.find({"alertname": "A"})
    seconds.now += 2
    assert library.load()
    assert [document.path for document in library.shelf.documents] == ["b.md"]
    assert library.shelf.index.find({"alertname": "A"}) is None


GOOD = "# A\n\nThe good one.\n"


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (b"# A\n\xff\xfe half", 2, "not UTF-8"),
        (b"", 1, "the file has been emptied"),
        (b"  \n\n", 1, "the file has been emptied"),
        (b"# A\n\nThe go\0\0\0\0", 3, "there is a NUL character"),
        (b"# A\n\n```sh\nkubectl get", 3, "the code fence is never closed"),
        (b"---\ntitle: [\n---\n# A\nnew\n", 1, "the front matter is not YAML, or longer than 64 KiB"),
        (b"x" * (1024 * 1024 + 1), 1, "larger than 1 MiB"),
    ],
)
def test_a_broken_edit_keeps_the_last_good_version_until_it_is_mended(
    tmp_path: Path, content: bytes, line: int, why: str
) -> None:
    file = write(tmp_path, {"a.md": GOOD}) / "a.md"
    library = loaded(tmp_path)
    file.write_bytes(content)
    assert library.load()
    assert errors(library) == [f"{file}:{line}: {why}; what was read before still counts"]
    assert text_of_a(library) == "The good one."
    assert not library.load()  # said once
    file.write_text("# A\n\nMended.\n")
    assert library.load()
    assert errors(library) == []
    assert text_of_a(library) == "Mended."


def text_of_a(library: Library) -> str:
    match = library.shelf.index.find({"alertname": "A"})
    assert match
    return match.section.text


def test_a_file_that_always_looks_half_written_is_taken_with_a_warning_and_follows_its_edits(tmp_path: Path) -> None:
    file = write(tmp_path, {"a.md": "# A\n```\none"}) / "a.md"
    library = loaded(tmp_path)
    assert errors(library) == [f"{file}:2: the code fence is never closed"]
    file.write_text("# A\n```\none two")
    assert library.load()
    assert text_of_a(library) == "```\none two"


def test_nothing_new_is_no_change_and_every_edit_is_one(tmp_path: Path) -> None:
    library = loaded(write(tmp_path, {"a.md": GOOD, "b.md": "# B"}))
    assert not library.load()
    before = library.shelf
    write(tmp_path, {"a.md": "# A\n\nOther.\n"})
    assert library.load()
    assert library.shelf.documents[1] is before.documents[1]  # what did not change is not read again


def test_a_folder_that_vanishes_keeps_what_it_held_and_one_that_comes_back_is_read(tmp_path: Path) -> None:
    seconds = Seconds()
    folder = write(tmp_path / "r", {"a.md": GOOD, "deep/b.md": "# B"})
    library = Library([folder], seconds)
    library.load()
    folder.rename(tmp_path / "away")
    library.load()
    assert errors(library) == [f"{folder}:1: No such file or directory; what was read before still counts"]
    assert len(library.shelf.documents) == 2
    write(folder, {"a.md": "# A\n\nBack.\n"})
    library.load()
    seconds.now += 2
    library.load()
    assert (errors(library), len(library.shelf.documents), text_of_a(library)) == ([], 1, "Back.")


def test_deleting_a_file_or_a_folder_in_it_is_an_edit(tmp_path: Path) -> None:
    seconds = Seconds()
    library = Library([write(tmp_path, {"a.md": GOOD, "deep/b.md": "# B"})], seconds)
    library.load()
    shutil.rmtree(tmp_path / "deep")
    library.load()
    seconds.now += 2
    assert library.load()
    assert [document.path for document in library.shelf.documents] == ["a.md"]
    assert errors(library) == []


HOSTILE = {
    "brackets": "[" * 200_000,
    "images": "![" * 200_000,
    "nested quotes": ">" * 200_000 + "x",
    "nested lists": "".join("  " * depth + "- x\n" for depth in range(1000)),
    "ten thousand lists on a line": "- " * 10_000 + "x",
    "a heading of 10,000 characters": "# " + "x" * 10_000,
    "ten thousand headings": "# x\n" * 10_000,
    "emphasis": "*a _b " * 50_000,
    "backticks": "".join("`" * count + " " for count in range(1, 500)),
    "escalations": "**Escalation**: " + "if not resolved in " * 20_000,
    "definitions": "".join(f"[{number}]: /x\n" for number in range(20_000)),
    "definitions and headings": "".join(f"[{n}]: /x\n" for n in range(15_000)) + "# x\n" * 6_000,
    "a policy of many steps": "## Escalation\n" + "- 15 min: x\n" * 30_000,
    "yaml": "---\n" + "[" * 50_000 + "\n---\n# A",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_markdown_is_read_in_seconds(tmp_path: Path, name: str) -> None:
    started = time.monotonic()
    library = loaded(write(tmp_path, {"a.md": HOSTILE[name], "good.md": GOOD}))
    assert time.monotonic() - started < 10
    assert "good.md" in [document.path for document in library.shelf.documents]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a heading of 10,000 characters", "the heading has 10000 characters; it is cut to 200"),
        ("ten thousand lists on a line", "lists or quotes are nested deeper than 100 levels; what is below is not shown"),
        ("nested quotes", "lists or quotes are nested deeper than 100 levels; what is below is not shown"),
    ],
)
def test_what_is_cut_is_told_in_one_line(tmp_path: Path, name: str, line: str) -> None:
    assert errors(loaded(write(tmp_path, {"a.md": HOSTILE[name]}))) == [f"{tmp_path}/a.md:1: {line}"]


def test_fifty_megabytes_are_refused_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "big.md").open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    assert errors(loaded(tmp_path)) == [f"{tmp_path}/big.md:1: larger than 1 MiB"]
