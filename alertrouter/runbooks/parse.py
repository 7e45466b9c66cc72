"""Splitting a markdown file into sections."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from markdown_it.token import Token

from alertrouter.runbooks.markdown import parse_tokens, plain
from alertrouter.runbooks.policy import find_policy, read_yaml
from alertrouter.runbooks.section import Document, Section

_LABEL = r'\s*([\w.:-]+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*'
_LABELS = re.compile(rf"(?:{_LABEL}(?:,{_LABEL})*,?)?\s*\}}\s*")
_ONE_LABEL = re.compile(_LABEL)


@dataclass(frozen=True, slots=True)
class _Heading:
    """A heading of the file's top level: where its token is, the lines it takes (from 0, end excluded), what it says."""

    at: int
    start: int
    end: int
    level: int
    title: str
    anchor: str


def parse(path: str, text: str) -> Document:
    """Split the markdown `text` of the file at `path` (posix, relative to its folder). Any text is a document."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    tokens = parse_tokens("\n".join(lines))
    headings = _headings(tokens)
    first, start = (1, tokens[0].map[1]) if tokens and tokens[0].type == "front_matter" and tokens[0].map else (0, 0)
    title = _title(tokens, headings) or PurePosixPath(path).stem
    sections = [_whole_file(path, title, lines, tokens[first:], start)]
    for heading, end in zip(headings, _ends(headings, _Heading(len(tokens), len(lines), len(lines), 0, "", "")), strict=True):
        sections.append(_section(path, heading, lines[heading.end : end.start], tokens[heading.at + 3 : end.at]))
    return Document(path, title, tuple(sections), _text(lines[start:]))


def _headings(tokens: Sequence[Token]) -> list[_Heading]:
    """Those of the top level, the ones that have sections; a heading in a quote or a list only takes its anchor."""
    headings: list[_Heading] = []
    anchors = {"": 0}
    for at, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        title = " ".join(plain(tokens[at + 1].children).split())
        anchor = _unique(github_anchor(title), anchors)
        if token.level == 0 and token.map:
            headings.append(_Heading(at, token.map[0], token.map[1], int(token.tag[1]), title, anchor))
    return headings


def _ends(headings: Sequence[_Heading], last: _Heading) -> list[_Heading]:
    """For each heading the next one of the same or a higher level, `last` if there is none."""
    ends: list[_Heading] = []
    following = {0: last}
    for heading in reversed(headings):
        ends.append(min((end for level, end in following.items() if level <= heading.level), key=lambda end: end.start))
        following[heading.level] = heading
    return ends[::-1]


def github_anchor(title: str) -> str:
    """The anchor that GitHub gives a heading, before it is made unique in its file."""
    kept = (char for char in title.lower() if char in " -" or unicodedata.category(char) in _WORD_CATEGORIES)
    return "".join(kept).replace(" ", "-")


_WORD_CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Pc"})


def _unique(anchor: str, taken: dict[str, int]) -> str:
    """`anchor`, or the first `anchor-n` that is free; `taken` keeps the n reached for each, and is added to."""
    unique, count = anchor, taken.get(anchor, 0)
    while unique in taken:
        count += 1
        unique = f"{anchor}-{count}"
    taken[anchor] = count
    taken.setdefault(unique, 0)
    return unique


def _title(tokens: Sequence[Token], headings: Sequence[_Heading]) -> str:
    """What the front matter says, else the first heading of level 1, else the first heading."""
    front = read_yaml(tokens[0].content) if tokens and tokens[0].type == "front_matter" else None
    said = front.get("title") if isinstance(front, dict) else None
    if isinstance(said, str) and said.strip():
        return " ".join(said.split())
    top = min(headings, key=lambda heading: (heading.level > 1, heading.start), default=None)
    return top.title if top else ""


def _whole_file(path: str, title: str, lines: Sequence[str], tokens: Sequence[Token], start: int) -> Section:
    """The file as one section; a heading that it begins with is its title, not its text."""
    if tokens and tokens[0].type == "heading_open" and tokens[0].map:
        start, tokens = tokens[0].map[1], tokens[3:]
    text = _text(lines[start:])
    policy, line = find_policy(tokens)
    return Section(title, PurePosixPath(path).stem, path, "", 1, text, revision(title, text), {}, policy, line)


def _section(path: str, heading: _Heading, lines: Sequence[str], tokens: Sequence[Token]) -> Section:
    alertname, labels = read_heading(heading.title)
    text = _text(lines)
    policy, line = find_policy(tokens)
    digest = revision(heading.title, text)
    return Section(heading.title, alertname, path, heading.anchor, heading.start + 1, text, digest, labels, policy, line)


def read_heading(title: str) -> tuple[str, dict[str, str]]:
    """Split `HighErrorRate {error_type="llm"}` into name and labels; a title without readable labels is all name."""
    alertname, brace, rest = title.partition("{")
    if not brace or not _LABELS.fullmatch(rest):
        return title, {}
    return alertname.strip(), {label: re.sub(r"\\(.)", r"\1", value) for label, value in _ONE_LABEL.findall(rest)}


def revision(title: str, text: str) -> str:
    """16 hex digits that change when the title or the text of a section does."""
    return hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()[:16]


def _text(lines: Sequence[str]) -> str:
    """Joined, without blank lines around; the indentation of the first line says what it is, so it stays."""
    kept = [number for number, line in enumerate(lines) if line.strip()]
    return "\n".join(lines[kept[0] : kept[-1] + 1]).rstrip() if kept else ""
