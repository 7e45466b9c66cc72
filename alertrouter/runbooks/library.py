"""What the runbook folders hold, kept up to date."""

import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from alertrouter.runbooks.checkout import Head, LastChange, blob_of, head_of, last_change
from alertrouter.runbooks.folder import BrokenError, Stamp, Trouble, content_of, markdown_files, shown, stamp_of, text_of
from alertrouter.runbooks.match import Index
from alertrouter.runbooks.parse import parse
from alertrouter.runbooks.search import Search
from alertrouter.runbooks.section import Document

_GONE_SECONDS = 2.0
_STILL_COUNTS = "; what was read before still counts"


@dataclass(frozen=True)
class Shelf:
    """What the folders held at one moment.

    `documents` are in the order of the folders, `files` tells the file of each one's path, and `index` looks sections up;
    `troubles` are the files, or parts of them, that cannot be taken as they are, which costs the rest nothing.
    """

    documents: tuple[Document, ...] = ()
    files: dict[str, Path] = field(default_factory=dict)
    index: Index = field(default_factory=Index)
    troubles: tuple[Trouble, ...] = ()

    @cached_property
    def search(self) -> Search:
        """Made when somebody first searches."""
        return Search(sorted(self.documents, key=lambda document: document.path))


@dataclass(frozen=True, slots=True)
class _Kept:
    """The last good version of a file, if there is one, and what is wrong with the file now.

    `stamp` is that of the file as it was looked at last, `blob` what git calls the content of the good version.
    """

    path: str
    stamp: Stamp | None
    document: Document | None = None
    blob: str = ""
    commit: str | None = None
    broken: tuple[int, str] | None = None


class Library:
    """The folders, and on its `shelf` what they held when last loaded; of two files with one path the first folder's counts."""

    def __init__(self, folders: Sequence[Path], clock: Callable[[], float] = time.monotonic) -> None:
        self.folders = tuple(folders)
        self._clock = clock
        self.shelf = Shelf()
        self.loaded = False
        self._kept: dict[Path, _Kept] = {}
        self._heads: dict[Path, Head | None] = {}
        self._gone: dict[Path, float] = {}
        self._changes: dict[tuple[Path, str | None], LastChange | None] = {}

    def last_change(self, path: str) -> LastChange | None:
        """Who changed a file last, as git's log has it; read once for each commit that is checked out."""
        file = self.shelf.files.get(path)
        if file is None:
            return None
        heads = (head.commit for folder, head in self._heads.items() if head and file.is_relative_to(folder))
        key = (file, next(heads, None))
        if key not in self._changes:
            self._changes = {known: one for known, one in self._changes.items() if known[0] != file}
            self._changes[key] = last_change(file)
        return self._changes[key]

    def load(self, progress: Callable[[Path], None] | None = None) -> bool:
        """Read every `*.md` under the folders that has changed, and take all of it in at once; whether anything is new.

        A file that cannot be read, or looks half-written, keeps its last good version; so does all of a folder that vanished.
        `progress` is told of each file before it is read.
        """
        troubles: list[Trouble] = []
        kept: dict[Path, _Kept] = {}
        for folder in self.folders:
            head = self._heads[folder] = head_of(folder, self._heads.get(folder))
            lost: dict[Path, str] = {}
            for file in markdown_files(folder, troubles, lost):
                if progress:
                    progress(file)
                kept[file] = _committed(self._look(file, folder), head)
            for place, why in lost.items():
                known = {file: one for file, one in self._kept.items() if file.is_relative_to(place) and file not in kept}
                troubles.append(Trouble(shown(place), 1, why + (_STILL_COUNTS if known else "")))
                kept |= known
            kept |= self._just_gone(folder, kept)
        shelf = _shelf(kept, troubles)
        changed = not self.loaded or kept != self._kept or shelf.troubles != self.shelf.troubles
        if changed:
            self._kept, self.shelf = kept, shelf
        self.loaded = True
        return changed

    def _just_gone(self, folder: Path, found: Container[Path]) -> dict[Path, _Kept]:
        """The files that were there a moment ago: an editor, or `git pull`, may be about to put them back."""
        now = self._clock()
        gone = {file for file in self._kept if file not in found and file.is_relative_to(folder) and not file.is_symlink()}
        since = {file: self._gone.get(file, now) for file in gone if not file.exists()}
        self._gone = {file: at for file, at in self._gone.items() if not file.is_relative_to(folder)} | since
        return {file: self._kept[file] for file, at in since.items() if now - at < _GONE_SECONDS}

    def _look(self, file: Path, folder: Path) -> _Kept:
        """A file as it is now; what cannot be taken in leaves the version before."""
        path = file.relative_to(folder).as_posix()
        before = self._kept.get(file, _Kept(path, None))
        stamp = None
        try:
            stamp = stamp_of(file)
            return before if before.stamp == stamp else _read(file, stamp, before)
        except BrokenError as broken:
            return _broken(before, stamp, broken.line, broken.why)
        except OSError as error:
            return _broken(before, stamp, 1, error.strerror or "it cannot be read")
        except RecursionError:
            return _broken(before, stamp, 1, "it is nested too deeply")


def _read(file: Path, stamp: Stamp, before: _Kept) -> _Kept:
    """Take a file in. Raises BrokenError if it had better stay as it was before."""
    content = content_of(file)
    document = parse(before.path, text_of(content))
    if before.document and before.document.body and not document.body:
        raise BrokenError(1, "the file has been emptied")
    if document.half_written and before.document and not before.document.half_written:
        raise BrokenError(*document.half_written)
    return _Kept(before.path, stamp, document, blob_of(content))


def _broken(before: _Kept, stamp: Stamp | None, line: int, why: str) -> _Kept:
    return replace(before, stamp=stamp, broken=(line, why + (_STILL_COUNTS if before.document else "")))


def _committed(one: _Kept, head: Head | None) -> _Kept:
    """The same with the commit that holds it."""
    commit = head.commit if head and one.blob and head.blobs.get(one.path) == one.blob else None
    if one.document is None or commit == one.commit:
        return one
    sections = tuple(replace(section, commit=commit) for section in one.document.sections)
    return replace(one, commit=commit, document=replace(one.document, sections=sections))


def _shelf(kept: dict[Path, _Kept], troubles: list[Trouble]) -> Shelf:
    documents: dict[str, Document] = {}
    files: dict[str, Path] = {}
    for file, one in kept.items():
        if one.broken:
            troubles.append(Trouble(str(file), *one.broken))
        if one.document is None:
            continue
        if one.path in documents:
            troubles.append(Trouble(str(file), 1, "an earlier folder holds the same path, and counts"))
            continue
        half_written = () if one.broken or not one.document.half_written else (one.document.half_written,)
        troubles += [Trouble(str(file), line, why) for line, why in (*half_written, *one.document.problems)]
        documents[one.path], files[one.path] = one.document, file
    return Shelf(tuple(documents.values()), files, Index(documents.values()), tuple(troubles))
