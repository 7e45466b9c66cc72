"""Finding runbooks by words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertrouter.runbooks.parse import parse
from alertrouter.runbooks.search import Search

RUNBOOK = """---
title: Serviço
---
Antes de tudo, respire.

# Serviço de conversas

Visão geral.

## HighErrorRate {error_type="llm"}
Veja os logs com `kubectl logs -n agents deploy/api` e fale com o provedor.

### Depois
Anote a conclusão.

## DBConnections
A conexão com o banco caiu.
"""
SEARCH = Search([parse("a.md", RUNBOOK), parse("b.md", "# Other\n\nkubectl get pods\n")])


@pytest.mark.parametrize(
    ("query", "anchors"),
    [
        ("conexao", ["dbconnections"]),
        ("CONEXÃO banco", ["dbconnections"]),
        ("conex", ["dbconnections"]),  # as it is typed
        ("errorrate", ["higherrorrate-error_typellm"]),  # the middle of a name
        ("connections", ["dbconnections"]),
        ("conclusao", ["depois"]),  # where it stands, not what is around
        ("llm provedor", ["higherrorrate-error_typellm"]),
        ("kubectl -n agents", ["higherrorrate-error_typellm"]),
        ("respire", [""]),  # before the first heading: the file
        ("kubectl zebra", []),
        ("", []),
        ('" - * (', []),
    ],
)
def test_a_section_is_found_by_the_beginnings_of_its_words(query: str, anchors: list[str]) -> None:
    assert [hit.section.anchor for hit in SEARCH.find(query, 10)] == anchors


def test_a_title_comes_before_a_text_and_no_more_than_wanted_are_found() -> None:
    search = Search([parse("a.md", "# Kubectl\n\n## Text\nkubectl kubectl kubectl\n\n## Kubectl\nx\n")])
    assert [hit.section.title for hit in search.find("kubectl", 10)] == ["Kubectl", "Kubectl", "Text"]
    assert len(search.find("kubectl", 2)) == 2


def test_a_hit_marks_what_was_found_in_its_place() -> None:
    [hit] = SEARCH.find("conexao", 10)
    assert hit.text == (("A ", False), ("conexão", True), (" com o banco caiu.", False))
    [hit] = SEARCH.find("dbconn", 10)
    assert hit.title == (("DBConnections", True),)


@given(st.text())
def test_whatever_is_typed_finds_something_or_nothing(query: str) -> None:
    for hit in SEARCH.find(query, 5):
        assert "".join(text for text, _ in hit.title) == hit.section.title
