"""Filling an alert's labels into commands, so that each comes out as one inert word of the shell.

A label is whatever its sender wrote, and the person who pastes the command is in a hurry. A value of harmless characters goes
in as it is. Any other is quoted for the place where it stands, and only where that place is beyond doubt; elsewhere the
placeholder stays, for the person to fill.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

Kind = Literal["plain", "filled", "missing"]

# `{{ labels.x }}`, `{{ $labels.x }}`, `$labels.x`, the same of annotations, `{{ value }}`, `$value`; `<x>`, but not that of a
# here-document or of a named regular group; `$X` and `${X}`. Other `{{ templates }}` are left alone, whatever is in them.
_PLACEHOLDER = re.compile(
    r"\{\{\s*\$?(?:(?P<braced_kind>labels|annotations)\.(?P<braced>[^\s{}]+)|(?P<braced_value>value))\s*\}\}"
    r"|(?P<template>\{\{[^{}]*\}\})"
    r"|\$(?:(?P<dollar_kind>labels|annotations)\.(?P<dollar>[A-Za-z_]\w*)|(?P<dollar_value>value)\b)"
    r"|(?<!<)(?<!\(\?)(?<!\(\?P)<(?P<angle>[A-Za-z_][\w.-]*)>"
    r"|\$(?:\{(?P<curly>[A-Z_][A-Z0-9_]*)\}|(?P<variable>[A-Z_][A-Z0-9_]*))",
    re.ASCII,
)

# What every shell sets by itself: `$HOME` is not the alert's `home`.
_SHELLS_OWN = frozenset("HOME PATH PWD OLDPWD SHELL USER LOGNAME UID EUID PPID IFS RANDOM SECONDS LINENO TERM LANG _".split())  # noqa: SIM905
_UPPER = r"[A-Z_][A-Z0-9_]*"
# `X=` and `${X:=`, but not `X=$X`, which passes on what it has; and every name after a word that sets or reads variables.
_ASSIGNED = re.compile(rf"(?<![\w$])({_UPPER})\+?=(?![\"']?\$\{{?\1\b)|\$\{{({_UPPER}):?=", re.ASCII)
_SETS = re.compile(
    r"\b(?:for|select|read|mapfile|readarray|getopts|declare|typeset|local|export|readonly|unset|printf\s+-v)\b([^;|&\n]*)"
)
_NAME = re.compile(rf"(?<![\w${{=-])({_UPPER})\b(?!=)", re.ASCII)
# What a terminal acts on although it stands in quotes, and what turns the order of letters around.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")

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


@dataclass(frozen=True, slots=True)
class Values:
    """What commands are filled from: an alert's labels and annotations, by name.

    Alertmanager sends no value of its own: `{{ value }}` is the annotation, else the label, of that name.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A place in code for a value. `kind` is `labels`, `annotations`, `value`, or `variable` (`$X`: the label whose name in
    upper case is `name`); `by_hand` marks `<x>`, which people also write for what only they know."""

    start: int
    end: int
    kind: Literal["labels", "annotations", "value", "variable"]
    name: str
    by_hand: bool = False

    def value(self, values: Values) -> str | None:
        """What stands there for an alert; None if the alert does not say."""
        match self.kind:
            case "labels":
                return values.labels.get(self.name)
            case "annotations":
                return values.annotations.get(self.name)
            case "value":
                return values.annotations.get("value", values.labels.get("value"))
            case "variable":
                return next((value for name, value in values.labels.items() if name.upper() == self.name), None)


def placeholders(code: str) -> list[Placeholder]:
    """The places in `code`, in order. A variable that the code itself sets, or that every shell has, is none."""
    set_ = (name for words in _SETS.findall(code) for name in _NAME.findall(words))
    own = _SHELLS_OWN.union(set_, *(match.groups(default="") for match in _ASSIGNED.finditer(code)))
    found = (_placeholder(match) for match in _PLACEHOLDER.finditer(code) if not match["template"])
    return [one for one in found if one.kind != "variable" or one.name not in own]


def only_asked(values: Values, places: Sequence[Placeholder]) -> Values:
    """Those of the values that these places may be filled with."""
    labels = {place.name for place in places if place.kind in {"labels", "value"}}
    annotations = {place.name for place in places if place.kind in {"annotations", "value"}}
    variables = {place.name for place in places if place.kind == "variable"}
    return Values(
        {name: text for name, text in values.labels.items() if name in labels or name.upper() in variables},
        {name: text for name, text in values.annotations.items() if name in annotations},
    )


def _placeholder(match: re.Match[str]) -> Placeholder:
    said = match.groupdict()
    kind, name = said["braced_kind"] or said["dollar_kind"], said["braced"] or said["dollar"]
    if kind == "labels":
        return Placeholder(*match.span(), "labels", name)
    if kind == "annotations":
        return Placeholder(*match.span(), "annotations", name)
    if said["angle"]:
        return Placeholder(*match.span(), "labels", said["angle"], by_hand=True)
    if said["curly"] or said["variable"]:
        return Placeholder(*match.span(), "variable", said["curly"] or said["variable"])
    return Placeholder(*match.span(), "value", "value")


def fill(code: str, values: Values) -> str:
    """`code` with the placeholders filled in, in a single pass. What cannot be filled stays."""
    return "".join(text for text, _ in fill_parts(code, values))


def fill_parts(code: str, values: Values, shell: bool = True) -> list[tuple[str, Kind]]:
    """The same in parts, in order, each with its kind; a `missing` part is the placeholder as it is written.

    With `shell` false the code is in another language: only values that are harmless everywhere are filled in. In single
    quotes a variable `$X` is text.
    """
    parts: list[tuple[str, Kind]] = []
    at = 0
    for place, state, context in _read(code, shell):
        value = place.value(values)
        if place.kind == "variable" and (state == "single" or (value is None and not shell)):
            continue
        if place.start > at:
            parts.append((code[at : place.start], "plain"))
        word = None
        if value is not None and not (shell and value.startswith("-") and _begins_word(code, place.start)):
            word = _word(value, context, code[place.end : place.end + 1])
        parts.append((code[place.start : place.end], "missing") if word is None else (word, "filled"))
        at = place.end
    if at < len(code):
        parts.append((code[at:], "plain"))
    return parts


@lru_cache(maxsize=1024)
def _read(code: str, shell: bool) -> list[tuple[Placeholder, str, str]]:
    """The places of `code`, each with its state and context. Kept for a while: a storm fills the same few commands."""
    places = placeholders(code)
    contexts = _contexts(_with_holes(code, places)) if shell else [("", "unsure")] * len(places)
    return [(place, *context) for place, context in zip(places, contexts, strict=True)]


def _begins_word(code: str, at: int) -> bool:
    """Whether what stands there would be a word of its own, which a command may take for an option."""
    before = code[:at].rstrip("\"'")
    return not before or before[-1].isspace() or before[-1] in ";|&("


def _with_holes(code: str, places: Sequence[Placeholder]) -> str:
    """`code` with a NUL for every placeholder."""
    clean, at, pieces = code.replace("\0", " "), 0, []
    for place in places:
        pieces.append(clean[at : place.start])
        at = place.end
    return "\0".join([*pieces, clean[at:]])


def _contexts(template: str) -> list[tuple[str, str]]:
    """The state in which each hole of `template` stands, or "blocked"; twice, but "unsure" if more than a shell reads it."""
    state, at, found = "top", 0, []
    while event := _NEXT[state].search(template, at):
        at = event.end()
        kind = event.lastgroup or ""
        if kind in {"hole", "blocked"}:
            found.append(state if kind == "hole" else kind)
        elif kind != "escape":
            state = kind
    found = [_nested(template, place, context) for place, context in zip(_holes(template), found, strict=True)]
    doubtful: set[str] = set()
    if state in {"single", "double"} or _READS_AGAIN_WORD.search(template):
        doubtful = {"top", "single", "double", "comment"}
    elif _RUNS_TEXT_WORD.search(template):
        doubtful = {"single", "double"}
    return [(context, "unsure" if context in doubtful else context) for context in found]


def _holes(template: str) -> list[int]:
    return [place for place, char in enumerate(template) if char == "\0"]


def _nested(template: str, place: int, context: str) -> str:
    """A quoted text that holds the other kind of quote is a program in a language of its own: nothing is certain there."""
    quote, other = {"single": ("'", '"'), "double": ('"', "'")}.get(context, ("", ""))
    if not quote:
        return context
    start, end = template.rfind(quote, 0, place), template.find(quote, place)
    return "unsure" if other in template[start : end if end > 0 else None] else context


def _word(value: str, context: str, following: str) -> str | None:
    """`value` as it must be written in its context; None if nothing is certain there."""
    if context == "blocked" or _UNSAFE.search(value):
        return None
    quoted = shlex.quote(value)
    if quoted == value:
        # A number right before a redirection would name a file descriptor.
        return f"'{value}'" if context == "top" and value.isdigit() and following in {"<", ">"} else value
    if context == "comment" and "\n" in value:
        return None
    return {"top": quoted, "single": f"'{quoted}'", "double": f'"{quoted}"', "comment": quoted}.get(context)
