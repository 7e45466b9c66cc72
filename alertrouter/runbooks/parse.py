"""Splitting a markdown file into sections."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from markdown_it.token import Token

from alertrouter.runbooks.markdown import DEEPEST, children, parse_blocks, plain
from alertrouter.runbooks.policy import find_policy, is_yaml, read_yaml
from alertrouter.runbooks.section import Document, Problem, Section

_BRACKETED = re.compile(r"\[[^\[\]]*\]")
_LONGEST_TITLE = 200
_LONGEST_FRONT = 65_536
_LABEL = r"""\s*([\w.:-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*"""
_LABELS = re.compile(rf"(?:{_LABEL}(?:,{_LABEL})*,?)?\s*\}}\s*")
_ASKS = re.compile(r"\w+\s*\{.+\}")
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
    tokens, env = parse_blocks("\n".join(lines))
    problems = _depth(tokens)
    headings = _headings(tokens, problems)
    front = tokens[0] if tokens and tokens[0].type == "front_matter" else None
    first, start = (1, front.map[1]) if front and front.map else (0, 0)
    title = _title(front, headings) or PurePosixPath(path).stem
    definitions = _definitions(lines, env)
    sections = [_whole_file(path, title, lines, tokens[first:], start)]
    last = _Heading(len(tokens), len(lines), len(lines), 0, "", "")
    for heading, end in zip(headings, _ends(headings, last), strict=True):
        sections.append(_section(path, heading, end, lines, tokens, definitions))
    body, skipped = _text(lines[start:])
    half_written = _half_written(front, lines, tokens)
    return Document(path, title, tuple(sections), body, start + skipped + 1, tuple(problems), half_written)


def _depth(tokens: Sequence[Token]) -> list[Problem]:
    """What is nested so deeply that it is not read."""
    too_deep = next((token for token in tokens if token.level >= DEEPEST - 1), None)
    line = next((token.map[0] + 1 for token in tokens if too_deep and token.level == DEEPEST - 2 and token.map), 1)
    return [(line, f"lists or quotes are nested deeper than {DEEPEST} levels; what is below is not shown")] if too_deep else []


def _headings(tokens: Sequence[Token], problems: list[Problem]) -> list[_Heading]:
    """Those of the top level, the ones that have sections; a heading in a quote or a list only takes its anchor."""
    headings: list[_Heading] = []
    anchors = {"": 0}
    for at, token in enumerate(tokens):
        if token.type != "heading_open" or not token.map:
            continue
        title = " ".join(plain(children(tokens[at + 1])).split())
        if len(title) > _LONGEST_TITLE:
            problems.append((token.map[0] + 1, f"the heading has {len(title)} characters; it is cut to {_LONGEST_TITLE}"))
            title = title[: _LONGEST_TITLE - 1] + "…"
        if _ASKS.fullmatch(title) and not read_heading(title)[1]:
            problems.append((token.map[0] + 1, f"the labels in the heading {title} cannot be read"))
        anchor = _unique(github_anchor(title), anchors)
        if token.level == 0:
            headings.append(_Heading(at, token.map[0], token.map[1], int(token.tag[1]), title, anchor))
    return headings


def _definitions(lines: Sequence[str], env: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """The file's link definitions by `[LABEL]`, as links are compared: the line from 0, and the lines as they are written."""
    found = env.get("references", {}).items()
    return {f"[{label}]": (one["map"][0], "\n".join(lines[slice(*one["map"])])) for label, one in found if one.get("map")}


def _half_written(front: Token | None, lines: Sequence[str], tokens: Sequence[Token]) -> Problem | None:
    """What only a file has that is still being written, or was cut off."""
    with_nul = next((number for number, line in enumerate(lines, 1) if "\0" in line), None)
    if with_nul:
        return with_nul, "there is a NUL character"
    if front and not (len(front.content) <= _LONGEST_FRONT and is_yaml(front.content)):
        return 1, "the front matter is not YAML, or longer than 64 KiB"
    last = tokens[-1] if tokens else None
    if last and last.type == "fence" and last.map and last.map[1] == len(lines) and not _closes(lines[-1], last.markup):
        return last.map[0] + 1, "the code fence is never closed"
    return None


def _closes(line: str, markup: str) -> bool:
    return line.strip().startswith(markup) and not line.strip(f" \t{markup[0]}")


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


def _title(front: Token | None, headings: Sequence[_Heading]) -> str:
    """What the front matter says, else the first heading of level 1, else the first heading."""
    values = read_yaml(front.content) if front and len(front.content) <= _LONGEST_FRONT else None
    said = values.get("title") if isinstance(values, dict) else None
    if isinstance(said, str) and said.strip():
        return " ".join(said.split())
    top = min(headings, key=lambda heading: (heading.level > 1, heading.start), default=None)
    return top.title if top else ""


def _whole_file(path: str, title: str, lines: Sequence[str], tokens: Sequence[Token], start: int) -> Section:
    """The file as one section; a heading that it begins with is its title, not its text."""
    if tokens and tokens[0].type == "heading_open" and tokens[0].map:
        start, tokens = tokens[0].map[1], tokens[3:]
    text, skipped = _text(lines[start:])
    policy, line = find_policy(tokens)
    digest, at = revision(title, text), start + skipped + 1
    return Section(title, PurePosixPath(path).stem, path, "", 1, text, digest, {}, policy, line, 0, at)


def _section(
    path: str,
    heading: _Heading,
    end: _Heading,
    lines: Sequence[str],
    tokens: Sequence[Token],
    definitions: Mapping[str, tuple[int, str]],
) -> Section:
    alertname, labels = read_heading(heading.title)
    text, skipped = _text(lines[heading.end : end.start])
    # As CommonMark compares labels.
    written = set(_BRACKETED.findall(" ".join(text.split()).lower().upper())) if definitions else set()
    there = (definitions[label] for label in sorted(written & definitions.keys()))
    used = [own for line, own in there if not heading.end <= line < end.start]
    text = "\n\n".join([text, *used]) if used else text
    policy, line = find_policy(tokens[heading.at + 3 : end.at])
    digest = revision(heading.title, text)
    number, at = heading.start + 1, heading.end + skipped + 1
    return Section(heading.title, alertname, path, heading.anchor, number, text, digest, labels, policy, line, heading.level, at)


def read_heading(title: str) -> tuple[str, dict[str, str]]:
    """Split `HighErrorRate {error_type="llm"}` into name and labels; a title without readable labels is all name."""
    alertname, brace, rest = title.partition("{")
    if not brace or not _LABELS.fullmatch(rest):
        return title, {}
    return alertname.strip(), {
        label: re.sub(r"\\(.)", r"\1", double or single) for label, double, single in _ONE_LABEL.findall(rest)
    }


def revision(title: str, text: str) -> str:
    """16 hex digits that change when the title or the text of a section does."""
    return hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()[:16]


def _text(lines: Sequence[str]) -> tuple[str, int]:
    """Joined, without blank lines around, and how many were left out before.

    The indentation of the first line says what it is, so it stays.
    """
    kept = [number for number, line in enumerate(lines) if line.strip()]
    return ("\n".join(lines[kept[0] : kept[-1] + 1]).rstrip(), kept[0]) if kept else ("", 0)
