"""What is wrong with runbooks, and between runbooks and rules: PURE.

`CODES` is the list. A code is switched off everywhere by the routing file (`lint: {ignore: [code]}`), in a section by a comment
in it (`<!-- alertrouter: ignore code, code -->`; before the first heading: in the file), for a rule by a comment in it or
above it (`# alertrouter: ignore code`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from alertrouter.runbooks import lint_rules, lint_text
from alertrouter.runbooks.match import Index
from alertrouter.runbooks.rules import Rule
from alertrouter.runbooks.section import Document

Level = Literal["error", "warning"]
CODES: Mapping[str, tuple[Level, str]] = {
    "unreadable-file": ("error", "a runbook, or a part of it, cannot be taken as it is"),
    "unreadable-rules": ("error", "a file of rules cannot be read"),
    "rule-without-section": ("error", "no runbook section names the alert of a rule"),
    "section-without-rule": ("warning", "a section is named like an alert, and no rule has that name"),
    "unreadable-escalation": ("error", "an escalation is stated and cannot be read: the default would apply"),
    "unknown-target": ("error", "an escalation names a target that the routing file does not have"),
    "dead-link": ("error", "a relative link leads to no file, or to no heading of it"),
    "runbook-url": ("error", "the runbook_url of a rule points into these runbooks, and there is nothing"),
    "unknown-placeholder": ("warning", "a command asks for a label that the alerts of its rule do not have"),
    "duplicate-section": ("error", "two sections ask for the same alert with the same labels: the first one counts"),
    "empty-section": ("warning", "a section has no text"),
    "unknown-code": ("warning", "a comment switches off a code that does not exist"),
}
_IGNORE = re.compile(r"<!--\s*alertrouter:\s*ignore\s+([\w\s,-]+?)\s*-->")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One line of the lint. `path` is a runbook's (relative to its folder) or a rule file's; `line` counts from 1."""

    path: str
    line: int
    code: str
    message: str
    level: Level = "error"


@dataclass(frozen=True)
class World:
    """What the runbooks are held against.

    `exists` tells whether there is a file at a path relative to the runbook folders; `unknown_targets` names the targets in a
    step's `to` that nobody knows; `ignored` are the codes that are off everywhere, `external` the
    labels that Prometheus adds to all that it sends. Without `rules` nothing is said of rules.
    """

    rules: Sequence[Rule] | None = None
    exists: Callable[[str], bool] = lambda _path: False
    unknown_targets: Callable[[str], Sequence[str]] = lambda _name: ()
    public_url: str = ""
    ignored: frozenset[str] = field(default_factory=frozenset)
    external: frozenset[str] = field(default_factory=frozenset)


def lint(documents: Sequence[Document], index: Index, world: World) -> list[Finding]:
    """Every finding that is not switched off, by path and line."""
    found: set[Finding] = set()
    switches = {document.path: list(_switches(document)) for document in documents}
    anchors = {document.path: lint_text.anchors(document) for document in documents}
    for document in documents:
        said = lint_text.check(document, anchors, world.exists, world.unknown_targets)
        found.update(_findings(document.path, said))
        unknown = [one for one in switches[document.path] if one.code not in CODES]
        said_of = ((one.line, "unknown-code", f"there is no code {one.code}") for one in unknown)
        found.update(_findings(document.path, said_of))
    for path, line, code, message in lint_rules.check(documents, index, world.rules, world.public_url, world.external):
        found.update(_findings(path, [(line, code, message)]))
    by_rule = {(rule.path, rule.line): rule.ignored for rule in world.rules or ()}
    return sorted(
        one
        for one in found
        if one.code not in world.ignored
        and one.code not in by_rule.get((one.path, one.line), ())
        and not any(switch.switches_off(one) for switch in switches.get(one.path, ()))
    )


def _findings(path: str, said: Iterable[lint_text.Said]) -> Iterator[Finding]:
    for line, code, message in said:
        yield Finding(path, line, code, message, CODES[code][0])


@dataclass(frozen=True, slots=True)
class _Switch:
    """A code that the comment at `line` switches off from line `first` to line `last`."""

    line: int
    first: int
    last: int
    code: str

    def switches_off(self, one: Finding) -> bool:
        return self.first <= one.line <= self.last and one.code == self.code


def _switches(document: Document) -> Iterator[_Switch]:
    headed = [section for section in document.sections if section.anchor]
    for at, line in enumerate(document.body.split("\n"), document.body_line):
        for match in _IGNORE.finditer(line):
            own = max((number for number, section in enumerate(headed) if section.line <= at), default=None)
            first, last = (1, 10**9) if own is None else lint_text.lines_of(headed, own)
            for code in re.split(r"[\s,]+", match[1]):
                yield _Switch(at, first, last, code)
