import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertrouter.runbooks.parse import github_anchor, parse, read_heading
from alertrouter.runbooks.section import Section

GUIDE = """---
title: Operação
tags: [a]
---
# Runbook: agentes

## Alertas

### HighErrorRate
Texto.

```sh
# not a heading
```

#### Detalhe

Mais.

DatabaseDown
---

Outro.
"""


def sections(text: str) -> dict[str, Section]:
    return {section.title: section for section in parse("ops/agentes.md", text).sections}


def test_a_section_goes_to_the_next_heading_of_the_same_or_a_higher_level() -> None:
    found = sections(GUIDE)
    assert found["HighErrorRate"].text == "Texto.\n\n```sh\n# not a heading\n```\n\n#### Detalhe\n\nMais."
    assert found["Detalhe"].text == "Mais."
    assert found["DatabaseDown"].text == "Outro."


def test_lines_are_those_of_the_file_front_matter_included() -> None:
    lines = [(section.line, section.title) for section in parse("a.md", GUIDE).sections]
    assert lines == [
        (1, "Operação"),
        (5, "Runbook: agentes"),
        (7, "Alertas"),
        (9, "HighErrorRate"),
        (16, "Detalhe"),
        (20, "DatabaseDown"),
    ]


def test_the_whole_file_is_a_section_named_after_the_file_without_front_matter_or_its_own_title() -> None:
    whole = parse("ops/agentes.md", GUIDE).sections[0]
    assert (whole.alertname, whole.anchor) == ("agentes", "")
    assert whole.text.startswith("## Alertas")
    assert whole.text.endswith("Outro.")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: From front\n---\n# Heading\n", "From front"),
        ("## Second\n# First\n", "First"),  # a level 1 heading before any other
        ("## Second\n", "Second"),
        ("no heading", "deploy"),  # the file's stem
        ("---\ntitle: [broken\n---\n# Heading\n", "Heading"),  # front matter that is no YAML
        ("---\n" + "[" * 5000 + "\n---\n# Heading\n", "Heading"),  # nor deep nesting
        ("---\ndate: 2024-99-99\n---\n# Heading\n", "Heading"),  # nor an impossible date
    ],
)
def test_the_title_of_a_document(text: str, title: str) -> None:
    assert parse("ops/deploy.md", text).title == title


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("~~~\n# no\n~~~\n", []),  # a fence
        ("    # no\n", []),  # indented code
        ("<!--\n# no\n-->\n", []),  # a comment
        ("> # quoted\n", []),  # inside a quote: no section of its own
        ("#no\n", []),  # no space
        ("Two\nlines\n===\n", ["Two lines"]),
        ("## `Code` and *soft* [link](x) ##\n", ["Code and soft link"]),
        ("# A <pod> here\n", ["A <pod> here"]),
        ("# a\r\n\r\ntext\r\n# b\r", ["a", "b"]),  # other line ends
    ],
)
def test_what_is_a_heading(text: str, titles: list[str]) -> None:
    assert [section.title for section in parse("a.md", text).sections[1:]] == titles


@pytest.mark.parametrize(
    ("title", "name", "labels"),
    [
        ("HighErrorRate", "HighErrorRate", {}),
        ('HighErrorRate {error_type="llm"}', "HighErrorRate", {"error_type": "llm"}),
        ('A{a="1", b="x } \\" y",}', "A", {"a": "1", "b": 'x } " y'}),
        ("A {b=unquoted}", "A {b=unquoted}", {}),  # not labels: all of it is the name
        ("A {}", "A", {}),
    ],
)
def test_a_heading_may_ask_for_labels(title: str, name: str, labels: dict[str, str]) -> None:
    assert read_heading(title) == (name, labels)


@pytest.mark.parametrize(
    ("title", "anchor"),
    [
        ("Runbook: Operação de Agentes", "runbook-operação-de-agentes"),
        ('HighErrorRate {error_type="llm"}', "higherrorrate-error_typellm"),
        ("A & B", "a--b"),
        ("50% – é", "50--é"),
        ("日本 🚒", "日本-"),
    ],
)
def test_anchors_are_github_s(title: str, anchor: str) -> None:
    assert github_anchor(title) == anchor


def test_anchors_are_unique_in_their_file() -> None:
    anchors = [section.anchor for section in parse("a.md", "# A\n# A\n# A-1\n# !\n> # A\n\n# A\n").sections]
    assert anchors == ["", "a", "a-1", "a-1-1", "-1", "a-3"]


def test_the_revision_changes_with_title_or_text_only() -> None:
    first = sections("# A\ntext")["A"].revision
    assert len(first) == 16
    assert sections("\n\n# A\n\ntext\n\n")["A"].revision == first
    assert sections("# A\ntext!")["A"].revision != first
    assert sections("# B\ntext")["B"].revision != first


def test_thousands_of_equal_headings_or_nested_lists_are_no_trouble() -> None:
    started = time.process_time()
    parse("a.md", "# a\n" * 10_000)
    parse("a.md", "# " + "a" * 10_000 + "\n" + "".join(" " * n + "- a\n" for n in range(500)))
    assert time.process_time() - started < 10


@given(st.text(alphabet=st.sampled_from('#-=`~>*<!|:{}"[]()ab \n\r\t\x0c\u2028é\0'), max_size=80))
def test_any_text_is_a_document_with_lines_in_order(text: str) -> None:
    document = parse("a.md", text)
    lines = [section.line for section in document.sections]
    assert lines == sorted(lines)
    assert len({section.anchor for section in document.sections}) == len(document.sections)


def test_labels_of_a_heading_may_stand_in_single_quotes_and_unreadable_ones_are_told() -> None:
    document = parse("a.md", "# A\n\n## One {team='db'}\nx\n\n## Two {team=~\"a|b\"}\ny\n")
    assert document.sections[2].labels == {"team": "db"}
    assert document.problems == ((6, 'the labels in the heading Two {team=~"a|b"} cannot be read'),)
