"""Prometheus alerting rules, as far as runbooks care: names, labels, annotations and lines.

Read from rule files (https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/) and from PrometheusRule
manifests, one or many documents to a file.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

_AGGREGATION = re.compile(r"\b(?:sum|avg|min|max|count|quantile|stddev|stdvar|group|count_values)\s*(?:by\b|\()", re.IGNORECASE)
_OPEN = re.compile(r"\bwithout\s*\(", re.IGNORECASE)
_KEPT = re.compile(r"\b(?:by|on|group_left|group_right)\s*\(([^()]*)\)", re.IGNORECASE)
_MADE = re.compile(r"\blabel_(?:replace|join)\s*\(.*?,\s*[\"']([A-Za-z_]\w*)[\"']", re.DOTALL | re.ASCII)
_IN_TEMPLATE = re.compile(r"\$labels\.([A-Za-z_]\w*)", re.ASCII)
_IGNORE = re.compile(r"#\s*alertrouter:\s*ignore\s+([\w\s,-]+)")


class RulesError(Exception):
    """A file of rules cannot be read: the line and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(line, why)
        self.line, self.why = line, why


@dataclass(frozen=True, slots=True)
class Rule:
    """An alerting rule; `line` is that of its name. `ignored` holds the codes that a comment in it or above it switches off."""

    name: str
    path: str
    line: int
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]
    ignored: frozenset[str] = frozenset()

    def known_labels(self) -> frozenset[str] | None:
        """The labels that its alerts have, external ones left out; None if the expression keeps all that its series have."""
        if not _AGGREGATION.search(self.expr) or _OPEN.search(self.expr):
            return None
        said = {"alertname", *self.labels, *_MADE.findall(self.expr)}
        for text in (*self.labels.values(), *self.annotations.values()):
            said.update(_IN_TEMPLATE.findall(text))
        for listed in _KEPT.findall(self.expr):
            said.update(name.strip() for name in listed.split(","))
        return frozenset(said)


def read_rules(path: str, text: str) -> list[Rule]:
    """The alerting rules of a file, in order. Raises RulesError; manifests of other kinds, and empty files, hold none."""
    try:
        documents = [node for node in yaml.compose_all(text, yaml.SafeLoader) if node is not None]
        nodes = [node for document in documents for node in _rule_nodes(document)]
    except yaml.MarkedYAMLError as error:
        raise RulesError(error.problem_mark.line + 1 if error.problem_mark else 1, f"not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RulesError(1, f"not YAML: {str(error).splitlines()[0]}") from None
    if any(not isinstance(node, yaml.MappingNode) for node in documents):
        raise RulesError(1, "it is no file of rules")
    lines = text.split("\n")
    ends = [*(node.start_mark.line for node in nodes[1:]), len(lines)][: len(nodes)]
    rules = (_rule(path, node, lines, end) for node, end in zip(nodes, ends, strict=True))
    return [rule for rule in rules if rule]


def _groups(document: yaml.Node) -> Iterator[yaml.Node]:
    """The groups of a rule file, a PrometheusRule, or a List of them."""
    for place in (document, _get(document, "spec")):
        groups = _get(place, "groups")
        if isinstance(groups, yaml.SequenceNode):
            yield from groups.value
    items = _get(document, "items")
    if isinstance(items, yaml.SequenceNode):
        for item in items.value:
            yield from _groups(item)


def _rule_nodes(document: yaml.Node) -> Iterator[yaml.Node]:
    for group in _groups(document):
        rules = _get(group, "rules")
        if isinstance(rules, yaml.SequenceNode):
            yield from rules.value


def _rule(path: str, node: yaml.Node, lines: Sequence[str], end: int) -> Rule | None:
    """None for a recording rule. `end` is the line from 0 that the next rule begins at."""
    name = _get(node, "alert")
    if not isinstance(name, yaml.ScalarNode) or not name.value:
        return None
    expr = _get(node, "expr")
    found = (codes for line in _own_lines(lines, node.start_mark.line, end) for codes in _IGNORE.findall(line))
    ignored = (code for codes in found for code in re.split(r"[\s,]+", codes) if code)
    return Rule(
        name.value,
        path,
        name.start_mark.line + 1,
        expr.value if isinstance(expr, yaml.ScalarNode) else "",
        _texts(_get(node, "labels")),
        _texts(_get(node, "annotations")),
        frozenset(ignored),
    )


def _own_lines(lines: Sequence[str], start: int, end: int) -> Sequence[str]:
    """The lines of a rule with the comments right above it, and without those above the next one."""
    while start > 0 and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    while end > start and not lines[end - 1].split("#")[0].strip(" -"):
        end -= 1
    return lines[start:end]


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    entries = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in entries if name.value == key), None)


def _texts(node: yaml.Node | None) -> dict[str, str]:
    entries = node.value if isinstance(node, yaml.MappingNode) else ()
    return {str(name.value): value.value for name, value in entries if isinstance(value, yaml.ScalarNode)}
