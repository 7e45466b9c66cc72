"""Alerting rules out of rule files and manifests."""

import pytest

from alertrouter.runbooks.rules import RulesError, read_rules

GROUPS = """groups:
  - name: one
    rules:
      - record: job:up
        expr: up
      - alert: A
        expr: up == 0
        for: 5m
        labels: {severity: critical, n: 1}
        annotations:
          summary: down
  - name: two
    rules:
      - expr: x
        alert: B
"""


def indented(text: str, by: int) -> str:
    return "".join(" " * by + line for line in text.splitlines(keepends=True))


MANIFEST = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec:\n" + indented(GROUPS, 2)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (GROUPS, [("A", 6), ("B", 15)]),
        (MANIFEST, [("A", 9), ("B", 18)]),
        (
            "---\nkind: Service\nspec: {ports: []}\n---\n" + MANIFEST + "---\n" + GROUPS,
            [("A", 13), ("B", 22), ("A", 29), ("B", 38)],
        ),
        ("kind: List\nitems:\n- kind: PrometheusRule\n  spec:\n" + indented(GROUPS, 4), [("A", 10), ("B", 19)]),
        ("groups: []", []),
        ("", []),
        ("kind: Service\n", []),
        ("groups:\n- rules:\n  - alert:\n    expr: x\n", []),
        ("groups:\n- name: none\n", []),
    ],
)
def test_every_alerting_rule_is_read_with_its_line(text: str, rules: list[tuple[str, int]]) -> None:
    assert [(rule.name, rule.line) for rule in read_rules("r.yml", text)] == rules


def test_a_rule_keeps_its_expression_labels_and_annotations() -> None:
    first = read_rules("r.yml", GROUPS)[0]
    assert (first.expr, first.labels, first.annotations) == ("up == 0", {"severity": "critical", "n": "1"}, {"summary": "down"})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", 1),
        ("groups:\n  - name: x\n    rules: [}\n", 3),
        ("just text", 1),
        ("[" * 5000, 1),
    ],
)
def test_what_is_no_file_of_rules_is_one_line(text: str, line: int) -> None:
    with pytest.raises(RulesError) as error:
        read_rules("r.yml", text)
    assert error.value.line == line
    assert "\n" not in error.value.why


@pytest.mark.parametrize(
    ("expr", "known", "unknown"),
    [
        ("sum by (a, b) (x) > 0", {"a", "b", "severity", "alertname"}, {"namespace", "instance"}),
        ("sum(x) by (a)", {"a"}, {"pod"}),
        ("sum(rate(x{job='y'}[5m])) > 1", {"severity"}, {"job", "pod"}),
        ("SUM BY (a) (x)", {"a"}, {"job"}),
        ('label_replace(sum by (a) (x), "dst", "$1", "a", "(.*)")', {"a", "dst"}, {"job"}),
        ("sum by (cluster) (a) / on (cluster) group_left (team) b", {"cluster", "team"}, set()),
        ("sum by (a) (x) and on (a) y", {"a"}, {"job"}),
    ],
)
def test_the_labels_of_its_alerts_are_those_that_the_expression_keeps(expr: str, known: set[str], unknown: set[str]) -> None:
    text = f"groups:\n- rules:\n  - alert: A\n    labels: {{severity: x}}\n    expr: >-\n      {expr}\n"
    labels = read_rules("r.yml", text)[0].known_labels()
    assert labels is not None
    assert known <= labels
    assert not unknown & labels


@pytest.mark.parametrize("expr", ['up{env="prod"} == 0', "node_filesystem_avail_bytes < 5", "sum without (pod) (x)"])
def test_an_expression_that_keeps_its_series_labels_tells_nothing_of_them(expr: str) -> None:
    assert read_rules("r.yml", f"groups:\n- rules:\n  - alert: A\n    expr: {expr!r}\n")[0].known_labels() is None


def test_a_comment_switches_codes_off_for_its_own_rule_alone() -> None:
    text = """groups:
- rules:
  - alert: One
    expr: x
  # alertrouter: ignore a
  - alert: Two
    expr: x
  - alert: Three  # alertrouter: ignore b
    expr: x
  - alert: Four
    expr: x
    # alertrouter: ignore c
    labels: {}
  - alert: Five
    expr: x
"""
    assert [sorted(rule.ignored) for rule in read_rules("r.yml", text)] == [[], ["a"], ["b"], ["c"], []]
