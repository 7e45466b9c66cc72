"""Finding and reading the escalation of a section: a lead line, a heading, or a YAML list."""

import re
from collections.abc import Sequence

import yaml
from markdown_it.token import Token

from alertrouter.durations import parse_duration
from alertrouter.escalation import Step, Unless, in_order
from alertrouter.runbooks.markdown import children, inline_lines, plain
from alertrouter.runbooks.prose import read_steps
from alertrouter.runbooks.words import ESCALATION, PARTS, name

Reading = tuple[tuple[Step, ...] | None, int | None]

_ESCALATION_WORD = "escal"
_NEXT_LEAD = re.compile(r"[^\W\d](?:[^\W\d]|[ _]){0,30}:\s")  # "Owner: x", and not "After 15 min: x"
_SENTENCE_END = re.compile(r"(?<=[.!])\s+(?![a-zà-ÿ])")  # not "15 min. escalate"
_UNLESS: dict[object, Unless] = {"acknowledged": "acknowledged", "resolved": "resolved", None: "resolved"}


def find_policy(tokens: Sequence[Token]) -> Reading:
    """The first escalation in a section's own blocks: its steps (None: unreadable) and its line in the file (None: none).

    `tokens` are the section's block tokens without its heading. A nested heading that names neither the escalation nor
    another part of the same text ("Mitigation") begins something else; nothing is read there.
    """
    foreign = 7  # the level of the nested heading that we are under and do not read; 7 is deeper than any
    for at, token in enumerate(tokens):
        if token.type == "heading_open" and token.level == 0 and (level := int(token.tag[1])) <= foreign:
            title = name(plain(children(tokens[at + 1])))
            if title in ESCALATION:
                return _under_heading(tokens, at)
            foreign = 7 if title in PARTS else level
        elif token.type == "inline" and foreign == 7 and tokens[at - 1].type != "heading_open":
            reading = _lead(tokens, at)
            if reading:
                return reading
    return None, None


def _under_heading(tokens: Sequence[Token], at: int) -> Reading:
    """Read what stands between the heading at `at` and the next one."""
    rest = tokens[at + 3 :]
    end = next((i for i, token in enumerate(rest) if token.type == "heading_open" and token.level == 0), len(rest))
    first = next((token.map for token in rest[:end] if token.map), tokens[at].map)
    return _read(rest[:end]), _line(first)


def _lead(tokens: Sequence[Token], at: int) -> Reading | None:
    """Read "Escalation: ..." out of an inline token; None if no line of it is one."""
    if _ESCALATION_WORD not in tokens[at].content.lower():  # a look inside every paragraph would cost most of the reading
        return None
    lines = inline_lines(tokens[at])
    for number, (line, _) in enumerate(lines):
        head, colon, text = line.partition(":")
        if colon and len(head) < 40 and name(head) in ESCALATION:
            for more, bold in lines[number + 1 :]:
                if bold or _NEXT_LEAD.match(more):
                    break
                text += " " + more
            steps = read_steps(_sentences(text)) if text.strip() else _read(_next_block(tokens, at))
            return steps, (_line(tokens[at].map) or 0) + number
    return None


def _next_block(tokens: Sequence[Token], at: int) -> Sequence[Token]:
    """The list or fence that follows the paragraph of the inline token at `at`; empty if something else does."""
    start = at + 2
    if start >= len(tokens) or tokens[start].type not in {"bullet_list_open", "ordered_list_open", "fence"}:
        return ()
    level = tokens[start].level
    end = next((i for i in range(start, len(tokens)) if tokens[i].nesting <= 0 and tokens[i].level == level), start)
    return tokens[start : end + 1]


def _read(tokens: Sequence[Token]) -> tuple[Step, ...] | None:
    """Read blocks: a YAML fence if there is one, else every sentence."""
    for token in tokens:
        if token.type == "fence" and token.info.strip().lower() in {"", "yaml", "yml"}:
            return read_list(token.content)
    texts = (" ".join(line for line, _ in inline_lines(token)) for token in tokens if token.type == "inline")
    return read_steps(sentence for text in texts for sentence in _sentences(text))


def _sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def read_list(text: str) -> tuple[Step, ...] | None:
    """Read a YAML list of `{after, to, unless}`; None if it is anything else.

    `after` is a duration such as `15m`; `to` may be left out (the incident's own target), and so may `unless` (`resolved`: an
    acknowledgement does not stop the step, as in prose that says no condition).
    """
    entries = read_yaml(text)
    if not isinstance(entries, list):
        return None
    steps = [_entry(entry) for entry in entries]
    read = [step for step in steps if step]
    return in_order(read) if len(read) == len(steps) else None


def _entry(entry: object) -> Step | None:
    if not isinstance(entry, dict) or not entry.keys() <= {"after", "to", "unless"}:
        return None
    after, to, unless = entry.get("after"), entry.get("to", ""), entry.get("unless")
    if not isinstance(after, str) or not isinstance(to, str) or not isinstance(unless, str | None):
        return None
    try:
        return Step(parse_duration(after), to, _UNLESS[unless])
    except (ValueError, KeyError):
        return None


def read_yaml(text: str) -> object:
    """The value of a YAML text; None if it is not YAML, or nested deeper than any runbook's."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def is_yaml(text: str) -> bool:
    """Whether a text is YAML at all."""
    try:
        yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return False
    return True


def _line(lines: Sequence[int] | None) -> int | None:
    return lines[0] + 1 if lines else None
