"""Finding and reading the escalation of a section: a lead line, a heading, or a YAML list."""

import re
from collections.abc import Iterator, Sequence

import yaml
from markdown_it.token import Token

from alertrouter.durations import parse_duration
from alertrouter.escalation import Step, Unless, in_order
from alertrouter.runbooks.markdown import children, inline_lines, is_comment, plain
from alertrouter.runbooks.prose import read_steps
from alertrouter.runbooks.words import ESCALATION, PARTS, begins_escalation, name, restricts

Reading = tuple[tuple[Step, ...] | None, int | None]

_ESCALATION_WORD = "escal"
_LEAD = re.compile(r"\s*(.{1,60}?)\s*(?::|\s[-–—]\s)(.*)", re.DOTALL)
_NEXT_LEAD = re.compile(r"[^\W\d](?:[^\W\d]|[ _]){0,30}:\s")  # "Owner: x", and not "After 15 min: x"
_SENTENCE_END = re.compile(r"(?<=[.!])\s+(?![a-zà-ÿ])")  # not "15 min. escalate"
_UNLESS: dict[object, Unless] = {"acknowledged": "acknowledged", "resolved": "resolved", None: "resolved"}
_MOST_STEPS = 50


def find_policy(tokens: Sequence[Token]) -> Reading:
    """What a section says of its escalation: the steps (None: unreadable) and the line in the file (None: nothing is said).

    `tokens` are the section's block tokens without its heading. A nested heading that names neither the escalation nor
    another part of the same text ("Mitigation") begins something else; nothing is read there. What is said twice, or only
    nearly in a way that is read ("Escalation at night"), is unreadable: a wrong guess pages the wrong people.
    """
    found: list[Reading] = []
    nearly: list[Reading] = []
    foreign, skip_to = 7, 0  # the level of the nested heading that we are under and do not read; 7 is deeper than any
    for at, token in enumerate(tokens):
        if at < skip_to:
            continue
        if token.type == "heading_open" and token.level == 0 and (level := int(token.tag[1])) <= foreign:
            title = name(plain(children(tokens[at + 1])))
            if title in ESCALATION:
                steps, skip_to = _under_heading(tokens, at, level)
                found.append((steps, _line(next((one.map for one in tokens[at + 3 : skip_to] if one.map), token.map))))
            elif begins_escalation(title):
                nearly.append((None, _line(token.map)))
            foreign = 7 if title in PARTS | ESCALATION else level
        elif token.type == "inline" and foreign == 7 and tokens[at - 1].type != "heading_open":
            for reading, is_sure in _leads(tokens, at):
                (found if is_sure else nearly).append(reading)
    if len(found) > 1:
        return None, found[1][1]
    return (found or nearly or [(None, None)])[0]


def _under_heading(tokens: Sequence[Token], at: int, level: int) -> tuple[tuple[Step, ...] | None, int]:
    """The steps that stand under the heading at `at`, and where the next one of its level or a higher one is."""
    ends = (i for i in range(at + 3, len(tokens)) if tokens[i].type == "heading_open" and tokens[i].level == 0)
    end = next((i for i in ends if int(tokens[i].tag[1]) <= level), len(tokens))
    return _read(tokens[at + 3 : end]), end


def _leads(tokens: Sequence[Token], at: int) -> Iterator[tuple[Reading, bool]]:
    """Each "Escalation: ..." in an inline token; false for one that only looks like it."""
    if _ESCALATION_WORD not in tokens[at].content.lower():  # a look inside every paragraph would cost most of the reading
        return
    lines = inline_lines(tokens[at])
    for number, (line, bold) in enumerate(lines):
        place = (_line(tokens[at].map) or 0) + number
        lead = _LEAD.match(line)
        if lead and name(lead[1]) in ESCALATION:
            text = " ".join([lead[2], *_continued(lines[number + 1 :])]).strip()
            yield (_steps_of(tokens, at, text), place), True
        elif bold and name(line) in ESCALATION:  # "**Escalation**" alone
            yield (_steps_of(tokens, at, " ".join(_continued(lines[number + 1 :]))), place), True
        elif bold and begins_escalation(name(lead[1] if lead else line)):
            yield (None, place), False
        elif tokens[at - 1].type in {"td_open", "th_open"} and (name(line) in ESCALATION or begins_escalation(name(line))):
            yield (None, place), False  # tables are not read


def _continued(lines: Sequence[tuple[str, bool]]) -> Iterator[str]:
    """The lines that still belong to a lead: to the next one, "Owner: x", which a condition never is."""
    for line, bold in lines:
        word = name(line.partition(":")[0])
        is_lead = _NEXT_LEAD.match(line) or (bold and ":" in line)
        if is_lead and not restricts(word):
            return
        yield f". {line}" if bold else line  # which begins something, if not a lead


def _steps_of(tokens: Sequence[Token], at: int, text: str) -> tuple[Step, ...] | None:
    """The steps of a lead's own text, and of what follows its paragraph and goes on with it."""
    following = _following(tokens, at, bool(text))
    if not text:
        return _read(following)
    if any(token.type in {"fence", "html_block", "code_block"} and not is_comment(token.content) for token in following):
        return None
    return _read_sentences([text, *_texts(following)])


def _following(tokens: Sequence[Token], at: int, has_text: bool) -> Sequence[Token]:
    """The blocks after the paragraph of the inline token at `at` that belong to it.

    A list or a fence does, and after a lead without text a paragraph; so does any paragraph that restricts what was said.
    """
    start, level = at + 2, tokens[at].level - 1
    end = start
    while end < len(tokens) and tokens[end].level == level and tokens[end].nesting >= 0:
        kind = tokens[end].type
        if kind == "paragraph_open":
            words = name(plain(children(tokens[end + 1])))
            if not restricts(words) and (has_text or end > start):
                break
        elif kind not in {"bullet_list_open", "ordered_list_open", "fence"}:
            break
        end = _end_of(tokens, end)
    return tokens[start:end]


def _end_of(tokens: Sequence[Token], at: int) -> int:
    """Where the block that begins at `at` has ended."""
    if tokens[at].nesting == 0:
        return at + 1
    return next(i for i in range(at + 1, len(tokens)) if tokens[i].level == tokens[at].level and tokens[i].nesting < 0) + 1


def _read(tokens: Sequence[Token]) -> tuple[Step, ...] | None:
    """Read blocks that are nothing but an escalation: a YAML fence alone, or sentences alone."""
    blocks = [token for token in tokens if token.type in _SAYS_SOMETHING and not is_comment(token.content)]
    fences = [token for token in blocks if token.type == "fence" and token.info.strip().lower() in {"", "yaml", "yml"}]
    if fences:
        return read_list(fences[0].content) if len(blocks) == 1 else None
    if any(token.type != "inline" for token in blocks) or any(token.type == "heading_open" for token in tokens):
        return None
    return _read_sentences(_texts(blocks))


_SAYS_SOMETHING = frozenset({"inline", "fence", "code_block", "html_block"})


def _texts(tokens: Sequence[Token]) -> list[str]:
    """The text of each paragraph; one with a picture says more than can be read."""
    inlines = [token for token in tokens if token.type == "inline"]
    pictured = any(part.type == "image" for token in inlines for part in children(token))
    return ["(a picture)"] if pictured else [" ".join(line for line, _ in inline_lines(token)) for token in inlines]


def _read_sentences(texts: Sequence[str]) -> tuple[Step, ...] | None:
    steps = read_steps(sentence for text in texts for sentence in _sentences(text))
    return steps if steps is None or len(steps) <= _MOST_STEPS else None


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
    if len(entries) > _MOST_STEPS:
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
