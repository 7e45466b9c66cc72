"""The part of the lint that holds runbooks and rules together: PURE."""

import re
from collections.abc import Iterator, Mapping, Sequence

from alertrouter.runbooks.commands import placeholders
from alertrouter.runbooks.markdown import parse_tokens, places
from alertrouter.runbooks.match import Index
from alertrouter.runbooks.rules import Rule
from alertrouter.runbooks.section import Document, Section
from alertrouter.runbooks.words import ESCALATION, PARTS, name

Said = tuple[str, int, str, str]
"""Path, line, code, message."""
_ALERT = re.compile(r"(?=\w*[a-z])(?=\w*[A-Z]\w*[A-Z]|[a-z]\w*[A-Z])[A-Za-z]\w+", re.ASCII)


def check(
    documents: Sequence[Document], index: Index, rules: Sequence[Rule] | None, public_url: str, external: frozenset[str]
) -> Iterator[Said]:
    """What does not go together; without `rules` only what the sections say of each other.

    `external` labels are those that Prometheus adds to all that it sends.
    """
    sections = [section for document in documents for section in document.sections]
    by_name: dict[str, list[Section]] = {}
    for section in sections:
        by_name.setdefault(section.alertname.casefold(), []).append(section)
    ruled = {rule.name.casefold() for rule in rules or ()}
    yield from _duplicates(by_name, ruled)
    if rules is None:
        return
    used: set[tuple[str, str]] = set()
    for rule in rules:
        yield from _urls(rule, index, public_url)
        candidates = _candidates(rule, index, by_name, public_url)
        used.update((section.path, section.anchor) for section in candidates)
        yield from _without_section(rule, index, candidates, public_url)
        for section in candidates:
            yield from _placeholders(rule, section, external)
    yield from _without_rule(documents, used)


def looks_like_alert(section: Section) -> bool:
    """Whether a heading, or a file's name, is written as alerts are: `HighErrorRate`, `etcdMembersDown`, or with labels."""
    return bool(section.labels) or _ALERT.fullmatch(section.alertname) is not None


def _duplicates(by_name: Mapping[str, Sequence[Section]], ruled: set[str]) -> Iterator[Said]:
    for alertname, sections in by_name.items():
        first: dict[tuple[tuple[str, str], ...], Section] = {}
        for section in sections:
            if section.anchor and (alertname in ruled or looks_like_alert(section)):
                known = first.setdefault(tuple(sorted(section.labels.items())), section)
                if known is not section:
                    yield (
                        section.path,
                        section.line,
                        "duplicate-section",
                        f"{known.path}:{known.line} asks for the same alert, and counts",
                    )


def _candidates(rule: Rule, index: Index, by_name: Mapping[str, Sequence[Section]], public_url: str) -> list[Section]:
    """Every section that an alert of the rule may get: that of its labels, and those of labels that its series may have."""
    match = index.find(_labels(rule), _own_url(rule), public_url)
    named = by_name.get(rule.name.casefold(), ())
    fitting = [
        one for one in named if one.anchor and all(rule.labels.get(key, value) == value for key, value in one.labels.items())
    ]
    found = [match.section] if match else []
    return found + [one for one in fitting if one not in found]


def _labels(rule: Rule) -> dict[str, str]:
    return {**rule.labels, "alertname": rule.name}


def _own_url(rule: Rule) -> dict[str, str]:
    """Its `runbook_url`, unless that is a template."""
    url = rule.annotations.get("runbook_url", "")
    return {"runbook_url": url} if url and "{{" not in url else {}


def _urls(rule: Rule, index: Index, public_url: str) -> Iterator[Said]:
    url = _own_url(rule).get("runbook_url", "")
    if url and index.leads_nowhere(url, public_url):
        yield rule.path, rule.line, "runbook-url", f"the runbook_url of {rule.name}, {url}, leads to no runbook"


def _without_section(rule: Rule, index: Index, candidates: Sequence[Section], public_url: str) -> Iterator[Said]:
    if not candidates:
        yield rule.path, rule.line, "rule-without-section", f"no runbook section names {rule.name}"
    elif index.find(_labels(rule), _own_url(rule), public_url) is None:
        only = candidates[0]
        message = f"{rule.name} has a section for some labels only ({only.path}:{only.line})"
        yield rule.path, rule.line, "rule-without-section", message


def _placeholders(rule: Rule, section: Section, external: frozenset[str]) -> Iterator[Said]:
    """Places in code that ask for what the alerts do not have. `<x>` may be for the person to fill, and is left alone."""
    labels = rule.known_labels()
    known = None if labels is None else labels | section.labels.keys() | external
    for token, line in places(parse_tokens(section.text), section.text_line):
        if token.type not in {"code_inline", "fence", "code_block"}:
            continue
        for place in placeholders(token.content):
            is_unknown = place.kind == "labels" and known is not None and place.name not in known and not place.by_hand
            if is_unknown or (place.kind == "annotations" and place.name not in rule.annotations):
                down = token.content.count("\n", 0, place.start) + (token.type == "fence")
                kind = place.kind.removesuffix("s")
                yield section.path, line + down, "unknown-placeholder", f"alerts of {rule.name} have no {kind} {place.name}"


def _without_rule(documents: Sequence[Document], used: set[tuple[str, str]]) -> Iterator[Said]:
    for document in documents:
        whole, *headed = document.sections
        levels = {section.level for section in headed if (section.path, section.anchor) in used}
        for section in headed:
            beside = section.level in levels and " " not in section.title and name(section.title) not in PARTS | ESCALATION
            if (section.path, section.anchor) not in used and (looks_like_alert(section) or beside):
                yield section.path, section.line, "section-without-rule", f"no rule is named {section.alertname}"
        if not levels and (whole.path, "") not in used and looks_like_alert(whole):
            yield whole.path, 1, "section-without-rule", f"no rule is named {whole.alertname}"
