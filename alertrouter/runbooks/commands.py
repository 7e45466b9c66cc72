"""Filling an alert's labels into commands, so that each comes out as one inert word of the shell.

A label is whatever its sender wrote, and the person who pastes the command is in a hurry. A value of harmless characters goes
in as it is. Any other is quoted for the place where it stands, and only where that place is beyond doubt; elsewhere the
placeholder stays, for the person to fill.
"""

import re
import shlex
from collections.abc import Mapping
from typing import Literal

Kind = Literal["plain", "filled", "missing"]

# `{{ labels.x }}`, `{{ $labels.x }}`, `$labels.x`, `<x>`; not the `<x>` of a here-document or of a named regular group.
_PLACEHOLDER = re.compile(
    r"\{\{\s*\$?labels\.(?P<braced>[^\s{}]+)\s*\}\}"
    r"|\$labels\.(?P<dollar>[A-Za-z_]\w*)"
    r"|(?<!<)(?<!\(\?)(?<!\(\?P)<(?P<angle>[A-Za-z_][\w.-]*)>",
    re.ASCII,
)

# How a shell reads, as far as quoting needs it: in each state, what ends or changes it. A hole (NUL) is a placeholder; one
# right after an active `\` or `$` would be changed by it, so it is blocked. "unsure" is never left: substitutions,
# here-documents, arithmetic, `$'...'`. A comment with quotes is unsure, as an interactive zsh takes comments for words.
_NEXT = {
    "top": re.compile(
        r"(?P<blocked>[\\$]\0)|(?P<escape>\\.)|(?P<unsure>`|\$[({\['\"]|<<|\(\(|\[\[|(?<=\S)\[)"
        r"|(?P<single>')|(?P<double>\")|(?P<comment>(?<![^\s;&|()<>])#)|(?P<hole>\0)",
        re.DOTALL,
    ),
    "single": re.compile(r"(?P<top>')|(?P<hole>\0)"),
    "double": re.compile(r"(?P<blocked>[\\$]\0)|(?P<escape>\\.)|(?P<unsure>`|\$[({\[])|(?P<top>\")|(?P<hole>\0)", re.DOTALL),
    "comment": re.compile(r"(?P<unsure>['\"`\\]|\$[({\[])|(?P<top>\n)|(?P<hole>\0)"),
    "unsure": re.compile(r"(?P<blocked>[\\$]\0)|(?P<hole>\0)"),
}

# Commands that read words as shell text once more, so that one layer of quotes is not enough.
_READS_AGAIN = (
    "sh bash dash ash ksh mksh zsh fish csh tcsh pwsh powershell su ssh rsh mosh pssh pdsh eval trap alias watch xargs "
    "parallel make ansible tmux screen flock crontab let declare typeset local readonly unset"
)
# Commands whose quoted arguments are programs in another language.
_RUNS_TEXT = "awk gawk mawk sed perl python python3 ruby node php lua jq psql mysql mariadb sqlite3 mongo mongosh redis-cli"


def _command(names: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-])(?:{'|'.join(names.split())})(?![\w-])")


_READS_AGAIN_WORD = _command(_READS_AGAIN)
_RUNS_TEXT_WORD = _command(_RUNS_TEXT)


def fill(code: str, values: Mapping[str, str]) -> str:
    """`code` with the placeholders filled from `values` (labels by name), in a single pass. What cannot be filled stays."""
    return "".join(text for text, _ in fill_parts(code, values))


def fill_parts(code: str, values: Mapping[str, str], shell: bool = True) -> list[tuple[str, Kind]]:
    """The same in parts, in order, each with its kind; a `missing` part is the placeholder as it is written.

    With `shell` false the code is in another language: only values that are harmless everywhere are filled in.
    """
    places = list(_PLACEHOLDER.finditer(code))
    contexts = _contexts(_PLACEHOLDER.sub("\0", code.replace("\0", " "))) if shell else ["unsure"] * len(places)
    parts: list[tuple[str, Kind]] = []
    at = 0
    for place, context in zip(places, contexts, strict=True):
        if place.start() > at:
            parts.append((code[at : place.start()], "plain"))
        value = values.get(place[place.lastgroup or 0])
        word = None if value is None else _word(value, context, code[place.end() : place.end() + 1])
        parts.append((place[0], "missing") if word is None else (word, "filled"))
        at = place.end()
    if at < len(code):
        parts.append((code[at:], "plain"))
    return parts


def _contexts(template: str) -> list[str]:
    """The state in which each hole of `template` stands, or "blocked"."""
    state, at, found = "top", 0, []
    while event := _NEXT[state].search(template, at):
        at = event.end()
        kind = event.lastgroup or ""
        if kind in {"hole", "blocked"}:
            found.append(state if kind == "hole" else kind)
        elif kind != "escape":
            state = kind
    if state in {"single", "double"} or _READS_AGAIN_WORD.search(template):
        doubtful = {"top", "single", "double", "comment"}
    elif _RUNS_TEXT_WORD.search(template):
        doubtful = {"single", "double"}
    else:
        return found
    return ["unsure" if context in doubtful else context for context in found]


def _word(value: str, context: str, following: str) -> str | None:
    """`value` as it must be written in its context; None if nothing is certain there."""
    if context == "blocked" or "\0" in value:
        return None
    quoted = shlex.quote(value)
    if quoted == value:
        # A number right before a redirection would name a file descriptor.
        return f"'{value}'" if context == "top" and value.isdigit() and following in {"<", ">"} else value
    if context == "comment" and "\n" in value:
        return None
    return {"top": quoted, "single": f"'{quoted}'", "double": f'"{quoted}"', "comment": quoted}.get(context)
