"""Full-text search over runbooks: SQLite's FTS5 in memory. PURE as far as its caller can see."""

import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from alertrouter.runbooks.section import Document, Section

_START, _END = "\x01", "\x02"
_WORDS = re.compile(r"[^\W_]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MOST_WORDS = 12

_TABLE = """
CREATE VIRTUAL TABLE section USING fts5(title, parts, text, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3')
"""
_FIND = """
SELECT rowid, highlight(section, 0, ?1, ?2), snippet(section, 2, ?1, ?2, '…', 24)
FROM section WHERE section MATCH ?3 ORDER BY bm25(section, 10.0, 8.0, 1.0), rowid LIMIT ?4
"""

Marked = tuple[tuple[str, bool], ...]
"""Text in pieces, each with whether the query is found in it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A section that holds every word of a query, or the beginning of it. `text` is the place where it does."""

    section: Section
    title: Marked
    text: Marked


class Search:
    """An index of what stands under each heading, nested headings apart. Accents and case do not count."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._lock = threading.Lock()
        self._sections: list[Section] = []
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._connection.execute(_TABLE)
        rows = []
        for section, text in (found for document in documents for found in _own_texts(document)):
            self._sections.append(section)
            rows.append((len(self._sections), section.title, _parts(section.title), text))
        self._connection.executemany("INSERT INTO section (rowid, title, parts, text) VALUES (?, ?, ?, ?)", rows)

    def find(self, query: str, most: int) -> list[Hit]:
        """The best hits first; none for a query without a word."""
        words = _WORDS.findall(query)[:_MOST_WORDS]
        if not words:
            return []
        wanted = " ".join(f'"{word}"*' for word in words)
        with self._lock:
            rows = self._connection.execute(_FIND, (_START, _END, wanted, most)).fetchall()
        return [Hit(self._sections[number - 1], _marked(title), _marked(text)) for number, title, text in rows]


def _own_texts(document: Document) -> Iterator[tuple[Section, str]]:
    """Each section with what stands directly under it; the whole file with what stands before its first heading."""
    lines = document.body.splitlines()
    following = [*(section.line for section in document.sections[1:]), document.body_line + len(lines)]
    for section, end in zip(document.sections, following, strict=True):
        text = " ".join(lines[max(section.text_line - document.body_line, 0) : max(end - document.body_line, 0)])
        if section.anchor or text.strip():
            yield section, " ".join(text.replace(_START, " ").replace(_END, " ").split())


def _parts(title: str) -> str:
    """The words inside `HighErrorRate`, and from the second on joined to the rest, so that `ErrorRate` is found in it."""
    found = []
    for word in _WORDS.findall(title):
        humps = _HUMPS.split(word)
        found += ["".join(humps[number:]) for number in range(1, len(humps))]
    return " ".join(found)


def _marked(text: str) -> Marked:
    pieces = []
    for number, piece in enumerate(re.split(f"[{_START}{_END}]", text)):
        if piece:
            pieces.append((piece, number % 2 == 1))
    return tuple(pieces)
