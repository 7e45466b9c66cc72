"""A section for people: HTML for the pages, plain text for PagerDuty, both with the commands filled in."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from urllib.parse import urljoin

import nh3
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from markdown_it.utils import EnvType, OptionsDict

from alertrouter.runbooks.commands import Kind, Placeholder, Values, fill_parts, only_asked, placeholders
from alertrouter.runbooks.markdown import Markdown, is_comment, parse_tokens, places
from alertrouter.runbooks.words import starts_steps

_SHELLS = frozenset({"", "sh", "bash", "shell", "zsh", "ksh", "console", "shell-session", "terminal", "text"})

# What comes first is found in this many characters; a page must not wait for a megabyte to be parsed.
_LONGEST_READ = 65_536
# What is longer is no text that a person reads; hostile markdown of this length takes seconds.
_LONGEST_HTML = 262_144

# What the renderer makes, and nothing else: a second wall, should the first one ever have a hole.
_TAGS = {"p", "ul", "ol", "li", "pre", "code", "em", "strong", "s", "a", "img", "blockquote", "br", "hr", "mark"}
_TAGS |= {"h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"}
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "mark": {"class"}, "ol": {"start"}}

_Pairs = tuple[tuple[str, str], ...]


class _Html(RendererHTML):
    """Escapes raw HTML and marks what was filled in. `env` holds `values` and `base`."""

    def code_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"<code>{_marked(tokens[idx], env['values'])}</code>"

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"<pre><code>{_marked(tokens[idx], env['values'])}</code></pre>\n"

    fence = code_block

    def html_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "" if is_comment(tokens[idx].content) else escape(tokens[idx].content)

    def html_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "" if is_comment(tokens[idx].content) else f"<p>{escape(tokens[idx].content.strip())}</p>\n"

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        tokens[idx].attrSet("href", _target(env["base"], tokens[idx].attrGet("href")))
        return self.renderToken(tokens, idx, options, env)


_HTML = Markdown(_Html)


def to_html(section_text: str, values: Values, base: str = "") -> str:
    """The section as safe HTML; `values` are the alert's, `base` the URL that relative links start from.

    In code, filled values stand in `<mark class="filled">` and placeholders without one in `<mark class="missing">`. Text of more
    than 256 Ki characters is shown as it is written.
    """
    if len(section_text) > _LONGEST_HTML:
        return f"<pre>{escape(section_text)}</pre>"
    return nh3.clean(
        _HTML.render(section_text, {"values": values, "base": base}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https"},
        link_rel=None,
    )


def to_plain(section_text: str, values: Values, base: str = "") -> str:
    """The section as readable plain text, arguments as for `to_html`: lists keep their numbers, links become "text (url)"."""
    return _Plain(values, base).blocks(_blocks(section_text))


def first_steps(section_text: str, values: Values, limit: int, base: str = "") -> str:
    """At most `limit` characters of plain text, from the part that a person needs first (investigation, action, ...).

    Without such a heading or lead, from the start. What is longer ends at a line with "…".
    """
    text = section_text[:_LONGEST_READ]
    asked = only_asked(values, _places(text))
    return _first_steps(text, tuple(asked.labels.items()), tuple(asked.annotations.items()), limit, base)


@lru_cache(maxsize=256)
def _first_steps(text: str, labels: _Pairs, annotations: _Pairs, limit: int, base: str) -> str:
    """Kept for a while: in a storm most alerts of a section say the same where it asks."""
    plain, blocks = _Plain(Values(dict(labels), dict(annotations)), base), _blocks(text)
    for number, block in enumerate(blocks):
        lines = plain.block(block).split("\n") if block.type in {"heading", "paragraph"} else []
        start = next((at for at, line in enumerate(lines) if starts_steps(line.partition(":")[0])), None)
        if start is not None:
            before = "\n".join([*lines[:start], ""])
            return cut(plain.blocks(blocks[number:]).removeprefix(before), limit)
    return cut(plain.blocks(blocks), limit)


def cut(text: str, limit: int) -> str:
    """`text` within `limit` characters: whole lines and "…", or a part of the first line if that alone is too long."""
    if len(text) <= limit:
        return text
    kept = text[: max(limit - 1, 0)]  # room for a line break, which is dropped below, and the mark
    whole = kept.rpartition("\n")[0].rstrip()
    while whole.endswith(":"):  # a heading that announces what is cut off
        whole = whole.rpartition("\n")[0].rstrip()
    return f"{whole}\n…" if whole else (kept.rstrip() + "…")[: max(limit, 0)]


@dataclass(frozen=True, slots=True)
class _Plain:
    """One pass of plain text: `values` to fill in, `base` to start relative links from."""

    values: Values
    base: str

    def blocks(self, nodes: Sequence[SyntaxTreeNode]) -> str:
        """Blocks with a blank line between them, but none after a heading or a lead that announces the next."""
        text = ""
        for node in nodes:
            block = self.block(node)
            if text and block:
                text += "\n" if text.endswith(":") else "\n\n"
            text += block
        return text

    def block(self, node: SyntaxTreeNode) -> str:
        """The lines of one block; none for a rule, a comment or front matter."""
        text = ""
        match node.type:
            case "heading":
                title = " ".join(self._inline(node.children).split())
                text = title if title.endswith((":", ".", "!", "?")) or not title else f"{title}:"
            case "paragraph":
                text = self._inline(node.children).strip()
            case "bullet_list":
                text = "\n".join(self._item("- ", item) for item in node.children)
            case "ordered_list":
                items = enumerate(node.children, int(node.attrs.get("start", 1)))
                text = "\n".join(self._item(f"{number}{item.markup} ", item) for number, item in items)
            case "blockquote":
                text = _indented("> ", self.blocks(node.children), "> ")
            case "fence" | "code_block":
                text = self._code(node).rstrip("\n")
            case "table":
                text = "\n".join(self._row(row) for part in node.children for row in part.children)
            case "html_block" if not is_comment(node.content):
                text = node.content.strip()
        return text

    def _item(self, mark: str, item: SyntaxTreeNode) -> str:
        text = "\n".join(filter(None, map(self.block, item.children)))
        return _indented(mark, text, " " * len(mark))

    def _row(self, row: SyntaxTreeNode) -> str:
        return " | ".join(self._inline(cell.children) for cell in row.children)

    def _inline(self, nodes: Iterable[SyntaxTreeNode]) -> str:
        return "".join(map(self._piece, nodes))

    def _piece(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "code_inline":
                return self._code(node)
            case "softbreak" | "hardbreak":
                return "\n"
            case "link" | "image":
                text = self._inline(node.children)
                url = _target(self.base, node.attrGet("href") or node.attrGet("src"))
                return url if text in {"", url, url.removeprefix("mailto:")} else f"{text} ({url})"
            case "html_inline" if is_comment(node.content):
                return ""
            case "text" | "html_inline":
                return node.content
        return self._inline(node.children)

    def _code(self, node: SyntaxTreeNode) -> str:
        return "".join(text for text, _ in _parts(node.content, node.info, self.values))


@lru_cache(maxsize=64)
def _places(section_text: str) -> Sequence[Placeholder]:
    """All that its commands ask for."""
    return [place for token in _code_tokens(parse_tokens(section_text)) for place in placeholders(token.content)]


@lru_cache(maxsize=64)
def _blocks(section_text: str) -> Sequence[SyntaxTreeNode]:
    """Kept for a while: in a storm the same few sections go into every page."""
    return SyntaxTreeNode(parse_tokens(section_text)).children


def _indented(first: str, text: str, rest: str) -> str:
    """`text` after the mark `first`, its further lines after `rest`."""
    return first + text.replace("\n", "\n" + rest)


def _marked(token: Token, values: Values) -> str:
    return "".join(
        escape(text) if kind == "plain" else f'<mark class="{kind}">{escape(text)}</mark>'
        for text, kind in _parts(token.content, token.info, values)
    )


def _parts(code: str, info: str, values: Values) -> list[tuple[str, Kind]]:
    language = (info.split() or [""])[0].lower()
    return fill_parts(code, values, shell=language in _SHELLS)


def _target(base: str, href: object) -> str:
    """Where a link leads, from `base` if it is relative."""
    try:
        return urljoin(base, str(href or ""))
    except ValueError:  # a host in brackets that is no IPv6 address
        return str(href)


def to_markdown(section_text: str, values: Values) -> str:
    """The section's own markdown with its commands filled in; a value that would add lines leaves its command as it was."""
    starts = [0, *(match.end() for match in re.finditer(r"\r\n?|\n", section_text)), len(section_text)]
    done, at = [], 0
    for token, line in places(parse_tokens(section_text), 0):
        if token.type not in {"fence", "code_block", "code_inline"}:
            continue
        at_least = max(at, starts[line + (token.type == "fence")])
        for old, new in _rewritten(token, values):
            place = section_text.find(old, at_least)
            if place >= 0:
                done += [section_text[at:place], new]
                at = at_least = place + len(old)
    return "".join(done) + section_text[at:]


def _rewritten(token: Token, values: Values) -> Iterator[tuple[str, str]]:
    """What stands in the markdown of a piece of code, and what is to stand there, line by line; code spans with their marks."""
    filled = "".join(text for text, _ in _parts(token.content, token.info, values))
    before, after = token.content.splitlines(), filled.splitlines()
    if before == after or len(before) != len(after):
        return
    if token.type != "code_inline":
        yield from ((old, new) for old, new in zip(before, after, strict=True) if old != new)
        return
    longest = max((len(run) for run in re.findall("`+", filled)), default=0)
    mark = token.markup if longest < len(token.markup) else "`" * (longest + 1)
    room = " " if filled.startswith("`") or filled.endswith("`") else ""
    yield f"{token.markup}{token.content}{token.markup}", f"{mark}{room}{filled}{room}{mark}"


def missing(section_text: str, values: Values) -> list[str]:
    """The placeholders of a section that `values` do not fill, each once, in order."""
    tokens = _code_tokens(parse_tokens(section_text))
    parts = (part for token in tokens for part in _parts(token.content, token.info, values))
    return list(dict.fromkeys(text for text, kind in parts if kind == "missing"))


def _code_tokens(tokens: Sequence[Token]) -> Iterable[Token]:
    for token in tokens:
        if token.type in {"fence", "code_block", "code_inline"}:
            yield token
        yield from _code_tokens(token.children or ())
