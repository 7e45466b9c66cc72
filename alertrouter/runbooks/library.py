"""The runbook folders on disk: the one place here that reads files."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from alertrouter.runbooks.match import Index
from alertrouter.runbooks.parse import parse
from alertrouter.runbooks.section import Document

_LARGEST = 1024 * 1024


class Library:
    """What the folders held when they were last loaded.

    `documents` are in the order of the folders; `index` looks sections up; `errors` are lines `path:line: message`
    for what could not be read, which costs the rest nothing. Of two files with one relative path the first folder's counts.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self.documents: tuple[Document, ...] = ()
        self.index = Index()
        self.errors: tuple[str, ...] = ()
        self.loaded = False

    def load(self) -> None:
        """Read every `*.md` under the folders, and take it in whole once all is read."""
        documents: dict[str, Document] = {}
        errors: list[str] = []
        for folder in self._folders:
            for file in _files(folder, errors):
                path = file.relative_to(folder).as_posix()
                if path in documents:
                    errors.append(f"{file}:1: an earlier folder holds the same path, and counts")
                elif (text := _read(file, errors)) is not None:
                    documents[path] = parse(path, text)
        self.index = Index(documents.values())
        self.documents, self.errors = tuple(documents.values()), tuple(errors)
        self.loaded = True


def _files(folder: Path, errors: list[str]) -> Iterator[Path]:
    """Markdown files in order of their paths. Hidden folders are none of the team's: `.git`, a ConfigMap's `..data`."""

    def unreadable(error: OSError) -> None:
        errors.append(f"{_shown(error.filename)}:1: {error.strerror}")

    for at, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(at, name)
            if file.suffix.lower() == ".md" and not name.startswith(".") and _is_ours(file, folder, errors):
                yield file


def _is_ours(file: Path, folder: Path, errors: list[str]) -> bool:
    """Whether a file's name is text and it does not lead out of the folder."""
    try:
        str(file).encode()
        inside = not file.is_symlink() or file.resolve(strict=True).is_relative_to(folder.resolve())
    except UnicodeEncodeError:
        errors.append(f"{_shown(file)}:1: the name is not UTF-8")
        return False
    except (OSError, RuntimeError):  # a broken link, a link to itself
        errors.append(f"{file}:1: the link leads nowhere")
        return False
    if not inside:
        errors.append(f"{file}:1: the link leads out of the folder")
    return inside


def _read(file: Path, errors: list[str]) -> str | None:
    """The text of a file; None, and one line of `errors`, if it cannot be had."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            errors.append(f"{file}:1: not a regular file")
            return None
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            errors.append(f"{file}:1: larger than 1 MiB")
            return None
        return content.decode("utf-8-sig")
    except OSError as error:
        errors.append(f"{file}:1: {error.strerror}")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        errors.append(f"{file}:{line}: not UTF-8")
    return None


def _shown(path: object) -> str:
    return os.fsdecode(str(path)).encode("utf-8", "backslashreplace").decode()
