"""One reading of markdown for everything here: CommonMark, tables, front matter."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML, RendererProtocol
from markdown_it.token import Token
from mdit_py_plugins.front_matter import front_matter_plugin

DEEPEST = 100
"""How deep lists and quotes may be nested; what is deeper is not read."""
_SCHEMES = frozenset({"http", "https", "mailto"})


class Markdown(MarkdownIt):
    """CommonMark whose links go to http, https, mailto or a relative place; any other stays the text that it was written as.

    HTML is recognised, so that what a comment hides is neither read nor shown; renderers must escape it.
    """

    def __init__(self, renderer_cls: Callable[[MarkdownIt], RendererProtocol] = RendererHTML) -> None:
        super().__init__("commonmark", {"maxNesting": DEEPEST}, renderer_cls=renderer_cls)
        self.enable("table").use(front_matter_plugin)

    def validateLink(self, url: str) -> bool:  # noqa: N802 (the parser's name for it)
        """Whether the normalized `url` may become a link or an image."""
        start = url.strip().replace("?", "/").replace("#", "/").partition("/")[0]
        scheme, colon, _ = start.partition(":")
        return not colon or scheme.lower() in _SCHEMES


_PARSER = Markdown()
_BLOCKS = Markdown().disable("inline")


def parse_tokens(text: str) -> list[Token]:
    """The block tokens of `text`, as markdown-it gives them."""
    return _PARSER.parse(text)


def parse_blocks(text: str) -> tuple[list[Token], dict[str, Any]]:
    """The same, several times faster, without a look inside paragraphs and headings: `children` does that where it is needed.

    The second value holds the link definitions: `["references"][label]` has `href`, `title` and `map`, its lines from 0.
    """
    env: dict[str, Any] = {}
    tokens = _BLOCKS.parse(text, env)
    for token in tokens:
        if token.type == "inline":
            token.meta["env"] = env
    return tokens, env


def children(token: Token) -> list[Token]:
    """What a paragraph or heading holds."""
    if not token.children and token.content:
        found: list[Token] = []
        _PARSER.inline.parse(token.content, _PARSER, token.meta.get("env", {}), found)
        token.children = found
    return token.children or []


def is_comment(html: str) -> bool:
    """Whether a piece of HTML is nothing but a comment."""
    content = html.strip()
    return content.startswith("<!--") and content.endswith("-->")


def plain(parts: Sequence[Token] | None) -> str:
    """The text of inline tokens, markup gone, line breaks as `\\n`."""
    return "".join(_texts(parts or ()))


def _texts(parts: Sequence[Token]) -> Iterator[str]:
    for child in parts:
        if child.type in {"softbreak", "hardbreak"}:
            yield "\n"
        elif child.type == "image":
            yield plain(child.children)
        elif child.type != "html_inline" or not is_comment(child.content):
            yield child.content


def inline_lines(token: Token) -> list[tuple[str, bool]]:
    """The lines of an inline token: the plain text of each, and whether it begins in bold."""
    lines: list[tuple[str, bool]] = []
    breaks = {"softbreak", "hardbreak"}
    for is_break, group in groupby(children(token), key=lambda child: child.type in breaks):
        if not is_break:
            parts = list(group)
            first = next((part for part in parts if part.type != "text" or part.content.strip()), parts[0])
            lines.append((plain(parts), first.type == "strong_open"))
    return lines


def places(tokens: Sequence[Token], line: int) -> Iterator[tuple[Token, int]]:
    """Every token, and every token inside of paragraphs and headings, with its line; `line` is that of the text's first."""
    for token in tokens:
        at = line + (token.map[0] if token.map else 0)
        yield token, at
        for part in token.children or ():
            yield part, at
            at += part.content.count("\n") + (part.type in {"softbreak", "hardbreak"})
