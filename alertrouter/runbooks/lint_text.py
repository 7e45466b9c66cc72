"""The part of the lint that needs the runbooks alone: links, escalations, empty sections: PURE."""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import unquote, urlsplit

from alertrouter.runbooks.markdown import parse_tokens, places, plain
from alertrouter.runbooks.parse import github_anchor
from alertrouter.runbooks.section import Document, Section

Said = tuple[int, str, str]
"""Line, code, message."""
_HTML_ANCHOR = re.compile(r"""<[a-z][^<>]*?\s(?:id|name)\s*=\s*["']?([^\s"'<>]+)""", re.IGNORECASE)


def check(
    document: Document,
    anchors_of: Mapping[str, frozenset[str]],
    exists: Callable[[str], bool],
    unknown_targets: Callable[[str], Sequence[str]],
) -> Iterator[Said]:
    """What is wrong with one document; `anchors_of` has the anchors of every document by its path."""
    yield from _links(document, anchors_of, exists)
    for section in document.sections:
        if section.unread_line:
            yield section.unread_line, "unreadable-escalation", "the escalation cannot be read; the default would apply"
        for step in section.policy or ():
            for name in unknown_targets(step.to) if step.to else ():
                yield section.policy_line or section.line, "unknown-target", f"there is no target {name}"
    headed = document.sections[1:]
    empty = [section for section in headed or document.sections if not section.text]
    for section in empty:
        yield section.line, "empty-section", f"{section.title} has no text"


def anchors(document: Document) -> frozenset[str]:
    """Every place of a document that a link may name, in folded case."""
    found = {section.anchor.casefold() for section in document.sections}
    tokens = parse_tokens(document.body)
    nested = (tokens[at + 1] for at, token in enumerate(tokens) if token.type == "heading_open" and token.level)
    found.update(github_anchor(plain(token.children)).casefold() for token in nested)
    return frozenset(found.union(name.casefold() for name in _HTML_ANCHOR.findall(document.body)))


def lines_of(headed: Sequence[Section], own: int) -> tuple[int, int]:
    """The first and last line of a section among those of its document, in the order of lines."""
    level = headed[own].level
    following = (section.line for section in headed[own + 1 :] if section.level <= level)
    return headed[own].line, next(following, 10**9) - 1


def _links(document: Document, anchors_of: Mapping[str, frozenset[str]], exists: Callable[[str], bool]) -> Iterator[Said]:
    for token, line in places(parse_tokens(document.body), document.body_line):
        url = str(token.attrGet("href" if token.type == "link_open" else "src") or "")
        if token.type in {"link_open", "image"} and (why := _dead(url, document.path, anchors_of, exists)):
            yield line, "dead-link", why


def _dead(url: str, path: str, anchors_of: Mapping[str, frozenset[str]], exists: Callable[[str], bool]) -> str:
    """Why a relative link is dead; empty if it is not, or leads elsewhere: a site's own paths (`/x`) are nobody's to check."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url} is no address"
    if parts.scheme or parts.netloc or parts.path.startswith("/"):
        return ""
    aim = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(parts.path))) if parts.path else path
    if aim.startswith("../") or aim == "..":
        return f"{url} leads out of the runbook folder"
    if aim not in anchors_of:
        return "" if exists(aim) else f"{url} leads to no file"
    anchor = unquote(parts.fragment).casefold()
    return "" if anchor in anchors_of[aim] | {""} else f"{url} leads to no heading of {aim}"
