"""Runbook files on disk: which there are, and what they hold."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_LARGEST = 1024 * 1024
Stamp = tuple[int, int, int, int]


class Trouble(NamedTuple):
    """What cannot be taken as it is."""

    file: str
    line: int
    why: str

    def __str__(self) -> str:
        """As compilers say it."""
        return f"{self.file}:{self.line}: {self.why}"


class BrokenError(Exception):
    """A file cannot be taken as it is: the line and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(line, why)
        self.line, self.why = line, why


def markdown_files(folder: Path, troubles: list[Trouble], lost: dict[Path, str]) -> Iterator[Path]:
    """The `*.md` files in order of their paths. Hidden folders are none of the team's: `.git`, a ConfigMap's `..data`.

    `lost` gets the folders that cannot be listed, and why.
    """

    def unreadable(error: OSError) -> None:
        lost[Path(error.filename)] = str(error.strerror)

    for at, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = (place for name in folders if (place := Path(at, name)).is_symlink())
        troubles += [Trouble(shown(place), 1, "a link to a folder is not followed") for place in links]
        for name in sorted(files):
            file = Path(at, name)
            if name.lower().endswith(".md") and not name.startswith(".") and _is_ours(file, folder, troubles):
                yield file


def _is_ours(file: Path, folder: Path, troubles: list[Trouble]) -> bool:
    """Whether a file's name is text and it does not lead out of the folder."""
    try:
        str(file).encode()
        inside = not file.is_symlink() or file.resolve(strict=True).is_relative_to(folder.resolve())
    except UnicodeEncodeError:
        troubles.append(Trouble(shown(file), 1, "the name is not UTF-8"))
        return False
    except (OSError, RuntimeError):  # a broken link, a link to itself
        troubles.append(Trouble(str(file), 1, "the link leads nowhere"))
        return False
    if not inside:
        troubles.append(Trouble(str(file), 1, "the link leads out of the folder"))
    return inside


def stamp_of(file: Path) -> Stamp:
    """What changes whenever the content does. Raises OSError and BrokenError."""
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):
        raise BrokenError(1, "not a regular file")
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def content_of(file: Path) -> bytes:
    """All of a file of at most 1 MiB. Raises OSError and BrokenError."""
    with file.open("rb") as stream:
        content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise BrokenError(1, "larger than 1 MiB")
    return content


def text_of(content: bytes) -> str:
    """Its text. Raises BrokenError."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenError(error.object.count(b"\n", 0, error.start) + 1, "not UTF-8") from None


def shown(path: Path) -> str:
    """A path as text, whatever bytes are in it."""
    return str(path).encode("utf-8", "backslashreplace").decode()
