import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertrouter.runbooks.commands import Values
from alertrouter.runbooks.render import cut, first_steps, to_html, to_markdown, to_plain

SECTION = """**Severidade**: Critical
**Descrição**: Taxa > 1%

**Investigação**:
1. Ver o [painel](paineis.md#erros) de erros
2. Logs: `kubectl logs -n {{ labels.namespace }} <pod>`

   ```sh
   kubectl describe <pod>
   ```
   - nada? <pod>

**Ação**:

- Reiniciar

- Esperar

<!-- só para quem edita -->

| a | b |
|---|---|
| 1 | `<pod>` |

#### Depois

> Fechar https://x.example
> <https://x.example>
***
"""
VALUES = Values({"namespace": "a b", "pod": "p-1"})


def test_plain_text_reads_well() -> None:
    assert (
        to_plain(SECTION, VALUES, "https://router.example/runbooks/ops/agentes.md")
        == """Severidade: Critical
Descrição: Taxa > 1%

Investigação:
1. Ver o painel (https://router.example/runbooks/ops/paineis.md#erros) de erros
2. Logs: kubectl logs -n 'a b' p-1
   kubectl describe p-1
   - nada? <pod>

Ação:
- Reiniciar
- Esperar

a | b
1 | p-1

Depois:
> Fechar https://x.example
> https://x.example"""
    )


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("3) c\n4) d", "3) c\n4) d"),  # numbers as written
        ("0. zero\n1. one", "0. zero\n1. one"),
        ("a\\\nb  \nc", "a\nb\nc"),
        ("![graph](/g.png) **bold** *soft*", "graph (https://router.example/g.png) bold soft"),
        ("## Why?\ntext", "Why?\n\ntext"),
        ("---\nt: x\n---\ntext", "text"),  # front matter is read, not shown
        ("[x](<//\\[https:]:>)", "x (//[https:]:)"),  # a host that no URL can have
        ("", ""),
        ("#", ""),
    ],
)
def test_plain_text_of_each_block(text: str, plain: str) -> None:
    assert to_plain(text, Values({}), "https://router.example/") == plain


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (SECTION, "Investigação:\n1. Ver o painel"),
        ("a\n\n## Diagnosis\n\nlook", "Diagnosis:\nlook"),
        ("**Severity**: high\n**Action**: restart\nthen wait", "Action: restart\nthen wait"),  # inside a paragraph
        ("a\n\n**Passos para mitigar**\n\n1. x", "Passos para mitigar\n\n1. x"),
        ("nothing of the kind", "nothing of the kind"),
        ("Actions speak louder than any number of words\n\nb", "Actions speak louder"),  # a sentence, not a lead
        ("a\n\n- Action: in a list", "a\n\n- Action"),  # an item, not a lead
    ],
)
def test_the_first_steps_are_what_a_person_needs_first(text: str, start: str) -> None:
    assert first_steps(text, Values({}), 1000).startswith(start)


def test_the_first_steps_are_cut_at_a_line() -> None:
    assert first_steps(SECTION, VALUES, 100) == (
        "Investigação:\n1. Ver o painel (paineis.md#erros) de erros\n2. Logs: kubectl logs -n 'a b' p-1\n…"
    )


@given(st.text(alphabet="a \n", max_size=40), st.integers(min_value=0, max_value=45))
def test_a_cut_is_never_longer_than_its_limit_and_says_so(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    assert short == text or limit == 0 or short.endswith("…")


def test_html_marks_what_was_filled_and_what_is_missing() -> None:
    html = to_html("`get <x> <y>`\n\n```sh\nget <x>\n```\n\n    get $labels.y", Values({"x": "<b>"}))
    assert """<code>get <mark class="filled">'&lt;b&gt;'</mark> """ in html
    assert '<mark class="missing">&lt;y&gt;</mark></code>' in html
    assert html.count('class="filled"') == 2
    assert '<mark class="missing">$labels.y</mark>' in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"),
        ("a <img src=x onerror=y>", "<p>a &lt;img src=x onerror=y&gt;</p>\n"),
        ("a <!-- hidden --> b", "<p>a  b</p>\n"),
        ("<!-- hidden -->", ""),
        ("[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>\n"),
        ("[a](JaVaScRiPt:x)", "<p>[a](JaVaScRiPt:x)</p>\n"),
        ("[a](&#106;avascript:x)", "<p>[a](javascript:x)</p>\n"),
        ("<vbscript:x>", "<p>&lt;vbscript:x&gt;</p>\n"),
        ("![a](data:image/png;base64,x)", "<p>![a](data:image/png;base64,x)</p>\n"),
        ("[a](https://x.example/?b=1&c)", '<p><a href="https://x.example/?b=1&amp;c">a</a></p>\n'),
        ("[a](mailto:a@x.example)", "<p><a>a</a></p>\n"),
        ("[a](deploy.md#b)", '<p><a href="/runbooks/ops/deploy.md#b">a</a></p>\n'),
        ("[a](a/b:c)", '<p><a href="/runbooks/ops/a/b:c">a</a></p>\n'),
    ],
)
def test_html_is_safe(text: str, html: str) -> None:
    assert to_html(text, Values({}), "/runbooks/ops/agentes.md") == html


def test_a_fence_in_another_language_takes_harmless_values_only() -> None:
    fence = "```sql\nselect '<x>', '<y>'\n```"
    assert to_plain(fence, Values({"x": "' or 1", "y": "prod"})) == "select '<x>', 'prod'"


@given(st.text(alphabet=st.sampled_from("#-`>*<!|[]()ab1. \n<x>:&\"'"), max_size=60), st.text(max_size=10))
def test_any_section_is_shown_without_a_tag_of_its_own(text: str, value: str) -> None:
    html = to_html(text, Values({"x": value}))
    assert "<a " not in html or "href=" in html
    assert "<b" not in html.replace("<blockquote", "").replace("<br", "")
    to_plain(text, Values({"x": value}))


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("ls <pod> is text: `ls <pod>`", "ls <pod> is text: `ls p`"),  # the command, not the prose before it
        ("`ls <odd>`", "``ls 'a`b'``"),  # a code span stays one
        ("```sh\nls <pod>\n```\nls <pod>\n", "```sh\nls p\n```\nls <pod>\n"),
        ("- x\n\n      ls <pod>\n", "- x\n\n      ls p\n"),
        ("`ls <gone>`", "`ls <gone>`"),
        ("a\r```sh\rls <pod>\r```", "a\r```sh\rls p\r```"),  # lines as old Macs end them
        ("a\n```", "a\n```"),  # a block that somebody is about to write
    ],
)
def test_markdown_is_filled_in_its_commands_alone(text: str, filled: str) -> None:
    assert to_markdown(text, Values({"pod": "p", "odd": "a`b"})) == filled


ASKS = """1. `kubectl -n {{ labels.namespace }} logs $labels.pod`, `echo $annotations.summary {{ $annotations.other }}`
2. `top -p $PID --host ${HOST} <node>`, of which {{ labels.team }} is no command

```sh
echo {{ value }} <namespace> $HOME; X=1; echo $X
```
"""
NAMES = st.sampled_from(["namespace", "pod", "pid", "PID", "Pid", "host", "node", "team", "value", "summary", "other", "x"])
TEXTS = st.dictionaries(NAMES, st.sampled_from(["a", "b", "7", "two words", ""]), max_size=8)


@settings(max_examples=300)
@given(TEXTS, TEXTS)
def test_what_a_section_does_not_ask_for_changes_nothing_of_its_first_steps(
    labels: dict[str, str], annotations: dict[str, str]
) -> None:
    values = Values(labels, annotations)
    assert first_steps(ASKS, values, 6000) == to_plain(ASKS, values)
