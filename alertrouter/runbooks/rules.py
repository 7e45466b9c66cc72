"""Prometheus alerting rules, as far as runbooks care: names, labels, annotations and lines.

Read from rule files (https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/) and from PrometheusRule
manifests, one or many documents to a file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

_AGGREGATION = re.compile(r"\b(?:sum|avg|min|max|count|quantile|stddev|stdvar|group|count_values)\s*(?:by\b|\()")
_KEPT = re.compile(r"\b(?:by|on|group_left|group_right)\s*\(([^()]*)\)")
_MATCHED = re.compile(r"([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)\s*[\"'`]", re.ASCII)
_IN_TEMPLATE = re.compile(r"\$labels\.([A-Za-z_]\w*)", re.ASCII)
_IGNORE = re.compile(r"#\s*alertrouter:\s*ignore\s+([\w\s,-]+)")
# What service discovery adds to every series; an expression that aggregates loses it.
_OF_TARGETS = frozenset(("job", "instance", "namespace", "pod", "container", "service", "node", "cluster", "endpoint"))


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

    def known_labels(self) -> frozenset[str]:
        """The labels that its alerts have, as far as the rule tells."""
        said = {"alertname", *self.labels}
        for text in (*self.labels.values(), *self.annotations.values()):
            said.update(_IN_TEMPLATE.findall(text))
        for listed in _KEPT.findall(self.expr):
            said.update(name.strip() for name in listed.split(","))
        if not _AGGREGATION.search(self.expr):
            said |= {*_OF_TARGETS, *_MATCHED.findall(self.expr)}
        return frozenset(said)


def read_rules(path: str, text: str) -> list[Rule]:
    """The alerting rules of a file, in order. Raises RulesError; manifests of other kinds are passed over."""
    try:
        documents = [node for node in yaml.compose_all(text, yaml.SafeLoader) if node is not None]
        rules = [_rule(path, node, text) for document in documents for node in _rule_nodes(document)]
    except yaml.MarkedYAMLError as error:
        raise RulesError(error.problem_mark.line + 1 if error.problem_mark else 1, f"not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise RulesError(1, f"not YAML: {str(error).splitlines()[0]}") from None
    if not any(True for document in documents for _ in _groups(document)):
        raise RulesError(1, "there are no groups of rules in it")
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


def _rule(path: str, node: yaml.Node, text: str) -> Rule | None:
    """None for a recording rule."""
    name = _get(node, "alert")
    if not isinstance(name, yaml.ScalarNode):
        return None
    expr = _get(node, "expr")
    lines = text.split("\n")[max(node.start_mark.line - 1, 0) : node.end_mark.line + 1]
    ignored = (code for line in lines for found in _IGNORE.findall(line) for code in re.split(r"[\s,]+", found) if code)
    return Rule(
        name.value,
        path,
        name.start_mark.line + 1,
        expr.value if isinstance(expr, yaml.ScalarNode) else "",
        _texts(_get(node, "labels")),
        _texts(_get(node, "annotations")),
        frozenset(ignored),
    )


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    entries = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in entries if name.value == key), None)


def _texts(node: yaml.Node | None) -> dict[str, str]:
    entries = node.value if isinstance(node, yaml.MappingNode) else ()
    return {str(name.value): value.value for name, value in entries if isinstance(value, yaml.ScalarNode)}
