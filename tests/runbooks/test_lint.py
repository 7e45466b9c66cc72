"""The lint: each code on a broken example, what is no fault, and how a code is switched off."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from alertrouter.durations import format_duration
from alertrouter.planning import named_targets
from alertrouter.routing_file import read_routing
from alertrouter.runbooks.library import Library
from alertrouter.runbooks.lint import CODES, World, lint
from alertrouter.runbooks.match import Index
from alertrouter.runbooks.parse import parse
from alertrouter.runbooks.rules import Rule, read_rules
from alertrouter.settings import load_settings

GOOD = "### HighErrorRate\nLook: `kubectl logs -n {{ labels.namespace }} <pod>`\n\n**Escalation**: Immediate to DBA\n"


def rule(name: str = "HighErrorRate", expr: str = "sum by (namespace) (x) > 0", **annotations: str) -> Rule:
    return Rule(name, "r.yml", 3, expr, {"severity": "critical"}, annotations)


def said(files: dict[str, str], rules: Sequence[Rule] | None = None, ignored: Sequence[str] = ()) -> list[str]:
    documents = [parse(path, text) for path, text in files.items()]
    world = World(
        rules,
        exists=lambda path: path == "picture.png",
        unknown_targets=lambda name: [] if name in {"DBA", "engineering"} else [name],
        public_url="https://router.example",
        ignored=frozenset(ignored),
    )
    found = lint(documents, Index(documents), world)
    return [f"{one.path}:{one.line}: {one.level}: {one.message} [{one.code}]" for one in found]


def test_rules_and_runbooks_that_go_together_give_nothing() -> None:
    assert said({"a.md": GOOD}, [rule()]) == []


@pytest.mark.parametrize(
    ("files", "rules", "lines"),
    [
        ({"a.md": "# A\nx"}, [rule()], ["r.yml:3: error: no runbook section names HighErrorRate [rule-without-section]"]),
        (
            {"a.md": '### HighErrorRate {error_type="llm"}\nx'},
            [rule()],
            ["r.yml:3: error: HighErrorRate has a section for some labels only (a.md:1) [rule-without-section]"],
        ),
        (
            {"a.md": GOOD + "\n### DiskFull\nx\n"},
            [rule()],
            ["a.md:6: warning: no rule is named DiskFull [section-without-rule]"],
        ),
        (
            {"a.md": GOOD + "\n### Disk\nIn a file that holds others.\n\n### About this file\nx\n\n### Notes\nx\n"},
            [rule()],
            ["a.md:6: warning: no rule is named Disk [section-without-rule]"],
        ),
        (
            {"a.md": GOOD, "alerts/etcd/etcdMembersDown.md": "# etcdMembersDown\n\n## Meaning\nx\n"},
            [rule()],
            ["alerts/etcd/etcdMembersDown.md:1: warning: no rule is named etcdMembersDown [section-without-rule]"],
        ),
        (
            {"a.md": "### A\nx\n\n**Escalation**: call somebody, some time\n"},
            None,
            ["a.md:4: error: the escalation cannot be read; the default would apply [unreadable-escalation]"],
        ),
        (
            {"a.md": "### A\n**Escalation**: Immediate to the moon\n"},
            None,
            ["a.md:2: error: there is no target moon [unknown-target]"],
        ),
        (
            {"a.md": "# A\n\n[x](gone.md) and\n[y](b.md#none)\n\n![z](no.png) [w](#nowhere) [v](../out.md)\n", "b.md": "# B\nx"},
            None,
            [
                "a.md:3: error: gone.md leads to no file [dead-link]",
                "a.md:4: error: b.md#none leads to no heading of b.md [dead-link]",
                "a.md:6: error: #nowhere leads to no heading of a.md [dead-link]",
                "a.md:6: error: ../out.md leads out of the runbook folder [dead-link]",
                "a.md:6: error: no.png leads to no file [dead-link]",
            ],
        ),
        (
            {"a.md": GOOD},
            [rule(runbook_url="https://router.example/runbooks/gone.md")],
            [
                "r.yml:3: error: the runbook_url of HighErrorRate, https://router.example/runbooks/gone.md, "
                "leads to no runbook [runbook-url]"
            ],
        ),
        (
            {"a.md": GOOD},
            [rule(runbook_url="a.md#gone")],
            ["r.yml:3: error: the runbook_url of HighErrorRate, a.md#gone, leads to no runbook [runbook-url]"],
        ),
        (
            {"a.md": "### HighErrorRate\n\n```sh\nls\nkubectl get {{ labels.pod }}\n```\n`echo {{ annotations.dashboard }}`\n"},
            [rule()],
            [
                "a.md:5: warning: alerts of HighErrorRate have no label pod [unknown-placeholder]",
                "a.md:7: warning: alerts of HighErrorRate have no annotation dashboard [unknown-placeholder]",
            ],
        ),
        (
            {"a.md": GOOD, "b.md": GOOD},
            [rule()],
            ["b.md:1: error: a.md:1 asks for the same alert, and counts [duplicate-section]"],
        ),
        ({"a.md": "# A\n\n## B\n"}, None, ["a.md:3: warning: B has no text [empty-section]"]),
        ({"a.md": ""}, None, ["a.md:1: warning: a has no text [empty-section]"]),
        (
            {"a.md": "# A\n<!-- alertrouter: ignore dead-links -->\n"},
            None,
            ["a.md:2: warning: there is no code dead-links [unknown-code]"],
        ),
    ],
)
def test_a_fault_is_one_line_with_its_place_and_its_code(
    files: dict[str, str], rules: list[Rule] | None, lines: list[str]
) -> None:
    assert said(files, rules) == lines


@pytest.mark.parametrize(
    ("files", "rules"),
    [
        (
            {
                "a.md": "# A\n[x](b.md#b), [y](#a), [z](<b.md>), ![p](picture.png), [q](b.md#Here)\n",
                "b.md": '# B\n<a id="here">\nx',
            },
            None,
        ),
        (
            {
                "deep/a.md": "# A\n[x](../b.md) [abs](/runbooks/x) [web](https://example.com/x) [mail](mailto:a@b.c)",
                "b.md": "# B\nx",
            },
            None,
        ),
        (
            {"a.md": "# A\n```\n[x](gone.md)\n### DiskFull\n```\n`[y](gone.md)`"},
            [rule(), rule()][:0],
        ),  # code is no link and no heading
        ({"a.md": GOOD}, [rule(runbook_url="https://wiki.example/x")]),  # nobody's to check
        ({"a.md": GOOD}, [rule(runbook_url="https://router.example/runbooks/for/HighErrorRate")]),
        ({"a.md": GOOD}, [rule(runbook_url="https://router.example/runbooks/{{ $labels.x }}.md")]),
        ({"a.md": GOOD}, [rule("HIGHERRORRATE")]),
        ({"a.md": "### HighErrorRate\n`{{ labels.pod }} {{ labels.env }}`"}, [rule(expr='up{env="x"} == 0')]),  # all labels stay
        ({"a.md": "### HighErrorRate\n`{{ labels.pod }}`"}, [rule(summary="on {{ $labels.pod }}")]),
        ({"a.md": "### HighErrorRate\n`<db_host> $HOME {{ value }}`"}, [rule()]),  # for the person, and the shell's
        ({"a.md": '### HighErrorRate\nx\n### HighErrorRate {error_type="llm"}\ny'}, [rule()]),
        ({"a.md": '### HighErrorRate {severity="critical"}\nx'}, [rule()]),  # the rule sets that label
        ({"A/HighErrorRate.md": "---\ntitle: x\n---\n# HighErrorRate\n\n## Meaning\nx\n\n## Notes\nx\n"}, [rule()]),
        ({"a.md": "## Meaning\nx\n## Meaning\ny\n"}, None),  # parts, not alerts
    ],
)
def test_what_is_right_gives_nothing(files: dict[str, str], rules: list[Rule] | None) -> None:
    assert said(files, rules) == []


BROKEN = "# A\n[x](gone.md)\n\n## B\n[y](gone.md)\n\n## C\n{}\n[z](gone.md)\n### D\n[w](gone.md)\n\n## E\n[v](gone.md)\n"


def test_a_comment_switches_a_code_off_in_its_section() -> None:
    assert len(said({"a.md": BROKEN})) == 5
    lines = said({"a.md": BROKEN.format("<!-- alertrouter: ignore dead-link, empty-section -->")})
    assert [line.split(":")[1] for line in lines] == ["2", "5", "14"]


def test_a_comment_before_the_first_heading_counts_for_the_file() -> None:
    assert said({"a.md": "<!-- alertrouter: ignore dead-link -->\n" + BROKEN, "b.md": "# B\n[x](gone.md)"}) == [
        "b.md:2: error: gone.md leads to no file [dead-link]"
    ]


def test_the_routing_file_switches_a_code_off_everywhere() -> None:
    assert said({"a.md": BROKEN}, ignored=["dead-link"]) == []


def test_a_comment_in_a_rule_switches_a_code_off_for_it() -> None:
    text = """
groups:
  - name: g
    rules:
      # alertrouter: ignore rule-without-section
      - alert: One
        expr: x
      - alert: Two  # alertrouter: ignore runbook-url, rule-without-section
        expr: x
      - alert: Three
        expr: x
"""
    assert said({}, read_rules("r.yml", text)) == ["r.yml:10: error: no runbook section names Three [rule-without-section]"]


def test_every_code_is_in_the_documentation_with_its_level_and_meaning() -> None:
    text = (Path(__file__).parents[2] / "docs" / "runbooks.md").read_text()
    listed = [line for line in text.splitlines() if (line.startswith("| `") and "error |" in line) or "| warning |" in line]
    assert listed == [f"| `{code}` | {level} | {meaning} |" for code, (level, meaning) in CODES.items()]


def test_the_sample_rules_and_runbooks_are_clean() -> None:
    home = Path(__file__).parents[2]
    library = Library([home / "runbooks"])
    library.load()
    routing = read_routing(home / "deploy" / "alertrouter.yml", load_settings({}), {}, with_keys=False)
    files = sorted((home / "deploy" / "prometheus").glob("*.rules.yml"))
    rules = [rule for file in files for rule in read_rules(file.name, file.read_text())]

    def unknown(phrase: str) -> list[str]:
        return [name for name, known in named_targets(routing, phrase).items() if known is None]

    world = World(rules, exists=lambda path: (home / "runbooks" / path).exists(), unknown_targets=unknown)
    assert len(rules) >= 5
    assert lint(library.shelf.documents, library.shelf.index, world) == []
    assert library.shelf.troubles == ()


def test_the_examples_of_prose_in_the_documentation_are_read() -> None:
    text = (Path(__file__).parents[2] / "docs" / "runbooks.md").read_text()
    examples = [line for line in text.splitlines() if re.match(r"\*\*(Escalation|Escalação|Escalamiento)\*\*:", line)]
    policies = [parse("a.md", f"# A\n{line}\n").sections[1].policy for line in examples]
    assert [[format_duration(step.after) for step in policy or ()] for policy in policies] == [
        ["15m"],
        ["20m", "50m"],
        ["0s", "1h30m"],
    ]
