import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from alertrouter.runbooks import commands
from alertrouter.runbooks.commands import Values, fill_parts

EVIL = 'x\'; rm -rf / "$(curl evil)" `id`'
NAMES = ("$X", "${X}", "{{ labels.x }}", "{{labels.x}}", "{{ $labels.x }}", "$labels.x", "<x>")


def fill(code: str, labels: dict[str, str]) -> str:
    return commands.fill(code, Values(labels))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shell")


@pytest.mark.parametrize("name", NAMES)
def test_every_form_is_filled(name: str) -> None:
    assert fill(f"kubectl logs {name} -f", {"x": "pod-1"}) == "kubectl logs pod-1 -f"


@pytest.mark.parametrize(
    ("code", "filled"),
    [
        ("a {{ labels.y }} <y> $labels.y", "a {{ labels.y }} <y> $labels.y"),  # not the alert's labels
        ("kubectl get -o go-template='{{ .items }}' {{ $value }}", None),  # other templates
        ("cat <<x>out", None),  # a here-document
        ("logcli '(?P<x>a)' $x ${x} < x >", None),  # a named group, variables, redirections
        ("<x>>log", "'5'>log"),  # a number there would be a file descriptor
        ("head -n <x>", "head -n 5"),
    ],
)
def test_what_is_no_placeholder_stays(code: str, filled: str | None) -> None:
    assert fill(code, {"x": "5"}) == (filled or code)


@pytest.mark.parametrize(
    ("code", "filled"),
    [
        ("echo {{ annotations.summary }} $annotations.summary {{$annotations.summary}}", "echo 'too slow' 'too slow' 'too slow'"),
        ("echo {{ value }} {{ $value }} $value", "echo 7 7 7"),
        ("echo {{ labels.summary }} <summary> $SUMMARY", None),  # an annotation is no label
        ("echo {{ annotations.pod }} {{ $value | humanize }} $values", None),
    ],
)
def test_annotations_and_the_value_are_filled_by_their_own_names(code: str, filled: str | None) -> None:
    values = Values({"pod": "api-0"}, {"summary": "too slow", "value": "7"})
    assert commands.fill(code, values) == (filled or code)


@pytest.mark.parametrize(
    ("code", "filled"),
    [
        ("kubectl -n $NAMESPACE logs ${POD_NAME}-0", "kubectl -n prod logs api-0"),
        ('kubectl -n "$NAMESPACE"', 'kubectl -n "prod"'),
        ("NAMESPACE=x; kubectl -n $NAMESPACE", None),  # the command sets it itself
        ("export NAMESPACE=x\nkubectl -n $NAMESPACE", None),
        ("for NAMESPACE in a b; do echo $NAMESPACE; done", None),
        ("read -r NAMESPACE; echo $NAMESPACE", None),
        ("awk '{print $NAMESPACE}'", None),  # single quotes: not the shell's
        ("ls $HOME ${HOME}", None),  # every shell has it
        ("echo $OTHER ${NAMESPACE:-x} $namespace $NAMESPACES \\$POD_NAME", None),
    ],
)
def test_a_variable_in_upper_case_is_the_label_of_that_name(code: str, filled: str | None) -> None:
    assert fill(code, {"namespace": "prod", "pod_name": "api", "home": "/srv"}) == (filled or code)


def test_a_variable_that_nobody_sets_is_marked_as_missing() -> None:
    parts = fill_parts("a $TOKEN ${TOKEN} $HOME", Values({"x": "1"}))
    assert [text for text, kind in parts if kind == "missing"] == ["$TOKEN", "${TOKEN}"]


@pytest.mark.parametrize(
    "code",
    [
        "kubectl get pods -A | while read NS POD REST; do kubectl delete pod -n $NS $POD; done",
        'read -p "which? " POD; echo $POD',
        "mapfile -t POD < x; echo $POD",
        "printf -v POD %s x; echo $POD",
        "declare -r POD; echo $POD",
        "export NS POD\necho $POD",
        "echo ${POD:=x}; echo $POD",
    ],
)
def test_a_variable_that_the_code_sets_itself_is_its_own(code: str) -> None:
    assert fill(code, {"pod": "api-0", "ns": "prod"}) == code


@pytest.mark.parametrize(
    "code", ["make POD=$POD run", "docker run -e POD=$POD x", 'env POD="$POD" x', "for N in $POD; do x; done"]
)
def test_a_variable_that_is_only_passed_on_is_filled(code: str) -> None:
    assert "$POD" not in fill(code, {"pod": "api-0"})


@pytest.mark.parametrize("code", ["rm <x>", "kubectl delete pod -n prod '<x>'", 'rm "<x>"', "<x> y", "a;<x>", "rm $X"])
def test_a_value_that_a_command_would_take_for_an_option_is_left_to_the_person(code: str) -> None:
    assert fill(code, {"x": "--all"}) == code
    assert fill("c --flag=<x> a<x>", {"x": "-1"}) == "c --flag=-1 a-1"


@pytest.mark.parametrize("value", ["a\x03rm\r", "\x1b[2J", "\x15", "a\u202eb", "\x7f", "\x85"])
def test_what_a_terminal_would_act_on_is_not_filled(value: str) -> None:
    assert fill("echo <x>", {"x": value}) == "echo <x>"


@pytest.mark.parametrize("code", ["cqlsh -e \"select '<x>'\"", "logcli query '{pod=\"<x>\"}'", 'curl -d \'{"a": "<x>"}\' y'])
def test_a_quoted_program_in_another_language_takes_only_harmless_values(code: str) -> None:
    assert fill(code, {"x": "x'; DROP TABLE t; --"}) == code
    assert fill(code, {"x": "api-0"}) == code.replace("<x>", "api-0")


def test_a_value_that_holds_a_placeholder_is_not_expanded_again() -> None:
    assert fill("<a> <b>", {"a": "{{ labels.b }}", "b": "<a>"}) == "'{{ labels.b }}' '<a>'"


def test_the_parts_say_what_was_filled_and_what_is_missing() -> None:
    assert fill_parts("get <x> <y>", Values({"x": "a b"})) == [
        ("get ", "plain"),
        ("'a b'", "filled"),
        (" ", "plain"),
        ("<y>", "missing"),
    ]


CERTAIN = [
    "c {}",
    "c --flag={} b",
    "c 'pod={}' b",
    'c "pod={}" b',
    'c "a \\" {}"',
    "c \\' {} \\\\",
    "c '\\' {} ",
    "c '${}'",
    "c \\\n  {}",
    "c; (d {} | e) && f",
    "c foo#bar {} # comment",
    "# comment\nc {}",
    "[ -f {} ] || c $HOME {}",
    "psql -h {} -U user",
]
UNCERTAIN = [
    "c $(d {})",
    "c `d {}`",
    'c "$(d "{}")"',
    'c "${{VAR:-{}}}"',
    "c <<END\n{}\nEND",
    "c $'{}'",
    'c $"{}"',
    "c ${}",  # the dollar would start $'...'
    "c \\{}",  # the backslash would eat the quote
    'c "\\{}"',
    'c "a {}',  # unbalanced
    "c {} 'a",
    "# don't\nc {}",  # an interactive zsh reads the quote
    "(( {} > 1 ))",
    "[[ {} -gt 1 ]]",
    "a[{}]=1",
    'ssh host "ls {}"',  # read by a second shell
    "bash -c 'ls {}'",
    "/bin/sh -c 'ls {}'",
    "eval ls {}",
    "echo {} | xargs ls",
    "psql -c \"select '{}'\"",  # another language
    "awk '/{}/'",
]


@pytest.mark.parametrize("template", CERTAIN)
def test_a_hostile_value_is_filled_where_its_place_is_certain(template: str) -> None:
    filled = fill(template.replace("{}", "<x>"), {"x": EVIL})
    assert "<x>" not in filled
    plain = fill(template.replace("{}", "<x>"), {"x": "safe"})
    assert shlex.split(filled, comments=True) == [word.replace("safe", EVIL) for word in shlex.split(plain, comments=True)]


@pytest.mark.parametrize("template", UNCERTAIN)
def test_a_hostile_value_leaves_the_placeholder_where_its_place_is_not(template: str) -> None:
    code = template.replace("{{", "{").replace("}}", "}").replace("{}", "{{ labels.x }}")
    assert fill(code, {"x": EVIL}) == code


@pytest.mark.parametrize("template", ["c $(d {})", "ssh {} 'ls {}'", "c <<END\n{}\nEND", "awk '/{}/'"])
def test_a_harmless_value_goes_in_anywhere_as_it_is(template: str) -> None:
    assert fill(template.replace("{}", "<x>"), {"x": "db-1:5432"}) == template.replace("{}", "db-1:5432")


def test_a_newline_does_not_leave_a_comment() -> None:
    assert fill("# see <x>", {"x": "a\nrm -rf /"}) == "# see <x>"
    assert fill("# see <x>", {"x": "a b"}) == "# see 'a b'"


def test_in_another_language_only_harmless_values_are_filled() -> None:
    parts = fill_parts("pod = '<x>' and ns = '<y>'", Values({"x": "' or 1 = 1", "y": "prod"}), shell=False)
    assert "".join(text for text, _ in parts) == "pod = '<x>' and ns = 'prod'"


def test_nul_cannot_be_in_a_word_and_is_not_filled() -> None:
    assert fill("c <x>", {"x": "a\0b"}) == "c <x>"


TRICKY = st.text(alphabet=st.sampled_from("ab1 '\"`$(){}<>|&;#\\\n\r\t*?[]~!=,-{{ labels.y }}é"), max_size=30)
ANY = st.text(st.characters(exclude_characters="\u200e\u200f\u061c", exclude_categories=["Cs", "Cc", "Cf"]))
# What a terminal or a command would act on is left to the person: see above.
VALUES = (TRICKY | ANY).filter(lambda value: not value.startswith("-") and "\r" not in value)


@given(value=VALUES, other=VALUES)
@example(value="$(curl evil)", other="x; rm -rf /")
@example(value="", other="'")
def test_a_label_is_exactly_one_token_whatever_it_holds(value: str, other: str) -> None:
    code = 'run {{ labels.x }} \'a <y> b\' "$labels.x" --z=<y> $X "${Y}"'
    words = shlex.split(fill(code, {"x": value, "y": other}))
    assert words == ["run", value, f"a {other} b", value, f"--z={other}", value, other]


@settings(max_examples=60, deadline=None)
@given(value=VALUES)
@example(value="a\n$(touch /tmp/never)`id`'\"\\")
def test_a_real_shell_sees_one_word(folder: Path, value: str) -> None:
    code = "printf '%s\\0' <x> 'a <x>' \"<x> b\" # of <x>"
    command = fill(code, {"x": value})
    for shell in ("bash", "sh"):
        done = subprocess.run([shell, "-c", command], capture_output=True, check=True, timeout=10, cwd=folder)
        assert done.stdout.decode().split("\0") == [value, f"a {value}", f"{value} b", ""]


PIECES = [" a", " ", "'", '"', "`", "$(", "${", "$'", "$", "\\", "#", "\n", "[", ";", "|", " <x>", "<x>"]


def words(command: str, folder: Path) -> list[str] | None:
    """What a real shell, with nothing to run, makes of the words after `printf`; None if it refuses."""
    code = f"printf '%s\\0' {command}"
    done = subprocess.run(
        ["/bin/bash", "-c", code],
        check=False,
        capture_output=True,
        cwd=folder,
        env={"PATH": ""},
        stdin=subprocess.DEVNULL,
        timeout=10,
    )
    return done.stdout.decode().split("\0") if done.returncode == 0 else None


@settings(max_examples=150, deadline=None)
@given(template=st.lists(st.sampled_from(PIECES), max_size=10).map("".join), value=VALUES.map("{}'".format))
def test_in_any_template_a_quoted_value_is_where_a_harmless_one_would_be(folder: Path, template: str, value: str) -> None:
    code = template + " <x> z"
    parts = fill_parts(code, Values({"x": value}))
    marked = words(fill(code, {"x": "MARK"}), folder)
    assume("$$" not in code and marked is not None and all(kind != "missing" for _, kind in parts))
    filled = words("".join(text for text, _ in parts), folder)
    assert filled == [word.replace("MARK", value) for word in marked or ()]
