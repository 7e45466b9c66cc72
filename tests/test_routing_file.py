from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from alertrouter.escalation import Step
from alertrouter.routing_file import RoutingFileError, read_routing
from alertrouter.settings import load_settings

KEY = "0123456789abcdef0123456789abcdef"
TARGETS = f"targets:\n  oncall: {{routing_key: {KEY}}}\n"


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    file = tmp_path / "r.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RoutingFileError) as caught:
        read_routing(file, load_settings({}), {})
    return [line.removeprefix(f"{file}:") for line in caught.value.problems]


def test_the_documented_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    file = tmp_path / "r.yml"
    file.write_text(
        f"""
targets:
  oncall: {{routing_key_env: PD}}
  engineering: {{routing_key_file: {tmp_path / "key"}, aliases: [engenharia]}}
  dba: {{routing_key: {KEY}, aliases: [DB], previous_routing_keys: [{KEY[::-1]}]}}
routes:
  - match: ['severity="info"']
    target: none
  - match: ['team=~"db|storage"']
    target: dba
    incident_per: alert
    repage_on_new_alert: false
    resolve_hold: 2m
    escalation: [{{after: 10m, to: engineering, unless: acknowledged}}, {{after: 0s, to: DB}}]
default_target: oncall
"""
    )
    routing = read_routing(file, load_settings({}), {"PD": KEY})
    route = routing.route({"team": "db"})
    assert (route.target, route.per_alert, route.repage_on_new_alert, route.resolve_hold) == (
        "dba",
        True,
        False,
        timedelta(minutes=2),
    )
    assert route.escalation == (Step(timedelta(0), "dba", None), Step(timedelta(minutes=10), "engineering", "acknowledged"))
    assert routing.route({"severity": "info"}).target == "none"
    assert route.line == 9
    assert set(routing.fingerprints()) == {"oncall", "engineering", "dba"}


def test_a_target_may_be_called_by_an_alias_in_any_case_and_still_has_its_key(tmp_path: Path) -> None:
    file = tmp_path / "r.yml"
    file.write_text(
        f"""
targets:
  oncall: {{routing_key: {KEY}, aliases: [Plantão]}}
  dba: {{routing_key: {KEY}, aliases: [Banco]}}
routes:
  - match: [team=db]
    target: BANCO
default_target: plantão
"""
    )
    routing = read_routing(file, load_settings({}), {})
    assert (routing.route({"team": "db"}).target, routing.route({}).target) == ("dba", "oncall")
    assert set(routing.fingerprints()) == {"oncall", "dba"}


def test_without_a_file_there_is_one_target_with_the_key_of_the_settings() -> None:
    routing = read_routing(None, load_settings({"PAGERDUTY_ROUTING_KEY": KEY}))
    assert list(routing.fingerprints()) == ["oncall"]
    assert read_routing(None, load_settings({})).fingerprints() == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # not YAML, not text, not a mapping
        ("targets: [", ["1: expected the node content, but found '<stream end>'"]),
        (b"\xff", ["1: it is not UTF-8"]),
        ("- a", ["1: it is not a mapping with targets"]),
        ("", ["1: it is not a mapping with targets"]),
        (
            "a: 1\nb: !!python/name:os.system x\n",
            ["2: could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.system'"],
        ),
        # anchors and brackets that never end
        ("[" * 5000, ["1: it is nested too deeply"]),
        ("a: &a [*a, *a, *a]\n", ["1: it is nested too deeply"]),
        (
            "a: &a [1,1,1,1,1,1,1,1]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 8)}]\n" for a, b in pairwise("abcdefghijk")),
            ["1: it is nested too deeply"],
        ),
        # what is wanted and missing, and what is not known
        ("routes: []", ["1: targets is missing"]),
        (TARGETS + "routs: []", ["3: there is no option routs"]),
        (TARGETS + "targets: {}", ["3: targets is empty", "3: targets stands twice"]),
        (TARGETS + "routs: 1\nroutes: []\nroutes: []", ["3: there is no option routs", "5: routes stands twice"]),
        (
            TARGETS + "routes:\n  - match: []\n    severity: 2026-13-45\n",
            ["5: '2026-13-45' cannot be read: month must be in 1..12"],
        ),
        (TARGETS + "routes:\n  - match: severity=x\n", ["4: match wants a list: put brackets around it, [ … ]"]),
        (
            TARGETS + "routes:\n  - match: []\n  - match: [a=b]\n    target: x\n",
            ["5: never reached: the route at line 4 matches all that this one does", "6: there is no target x"],
        ),
        (
            TARGETS + "routes:\n  - match: []\n    heartbeat: 10m\n    target: none\n",
            ["4: a heartbeat with target none would tell nobody when it is lost"],
        ),
        *(
            (
                TARGETS + f"routes:\n  - match: []\n    heartbeat: 10m\n    fallback: {fallback}\n",
                ["4: a lost heartbeat goes every way there is: fallback cannot be chosen with heartbeat"],
            )
            for fallback in ("true", "false")
        ),
        (
            TARGETS + "alertmanagers:\n  a b: http://am\n",
            ["4: a source's name is 1 to 64 letters, digits, dots, dashes and underscores"],
        ),
        (TARGETS + "alertmanagers:\n  a: []\n", ["4: a is empty"]),
        (TARGETS + "alertmanagers:\n  a: http://am:port\n", ["4: it is not the http or https address of an Alertmanager"]),
        (TARGETS + "alertmanagers:\n  a: http://am/?x=1\n", ["4: it is not the http or https address of an Alertmanager"]),
        ("targets: {}", ["1: targets is empty"]),
        ("targets:\n  oncall: x\n", ["2: it is not a mapping"]),
        (TARGETS + "routes: [x]\n", ["3: it is not a mapping"]),
        (TARGETS + "routes:\n  - target: oncall\n", ["4: match is missing"]),
        # keys: exactly one way, of the right shape, and never in the message
        ("targets:\n  oncall: {}\n", ["2: it wants one of routing_key, routing_key_env and routing_key_file"]),
        ("targets:\n  oncall:\n    routing_key: canary\n", ["3: a routing key is 32 letters and digits"]),
        ("targets:\n  oncall:\n    routing_key_env: UNSET\n", ["3: the variable UNSET is not set"]),
        ("targets:\n  oncall:\n    routing_key_file: /nowhere\n", ["3: the file /nowhere cannot be read"]),
        # routes
        (
            TARGETS + "routes:\n  - match: ['severity']\n",
            ["""4: 'severity' is not a matcher such as severity="info" or team=~"db|storage\""""],
        ),
        (TARGETS + "routes:\n  - match: []\n    target: nobody\n", ["5: there is no target nobody"]),
        (TARGETS + "routes:\n  - match: []\n    escalation: [{after: 5m, to: ops}]\n", ["5: there is no target ops"]),
        (
            TARGETS + "routes:\n  - match: []\n    escalation: [{after: soon}]\n",
            ["5: 'soon' is not a duration such as 90s, 15m or 1h30m"],
        ),
        (TARGETS + "default_target: ops\n", ["3: there is no target ops"]),
        # one name for two targets
        (TARGETS + f"  other: {{routing_key: {KEY}, aliases: [ONCALL]}}\n", ["3: ONCALL is a name of oncall, too"]),
        # names that would hide the target that pages nobody, or cannot be written in a sentence
        (TARGETS + f"  none: {{routing_key: {KEY}}}\n", ["3: none is the target that pages nobody; choose another name"]),
        (
            TARGETS + f"  other: {{routing_key: {KEY}, aliases: [None]}}\n",
            ["3: none is the target that pages nobody; choose another name"],
        ),
        (
            TARGETS + f"  'the others': {{routing_key: {KEY}}}\n",
            ["3: a target's name is 1 to 64 letters, digits, dots, dashes and underscores"],
        ),
        (TARGETS + "default_target: none\n", ["3: there is no target none"]),
        (TARGETS + "routes:\n  - match: []\n    heartbeat: 10s\n", ["5: a heartbeat is awaited for at least 1m"]),
        (
            TARGETS + "routes:\n  - match: []\n    severity: high\n",
            ["5: severity: Input should be 'critical', 'error', 'warning' or 'info'"],
        ),
        (
            TARGETS + "alertmanagers:\n  eu: ftp://user:secret@am\n  us: [http://am, 3]\n",
            [
                "4: it is not the http or https address of an Alertmanager",
                "5: what is no text to YAML, such as 5 or no, wants quotes",
            ],
        ),
        # a route that is never reached
        (
            TARGETS + "routes:\n  - match: ['a=~\"x|y\"']\n  - match: ['a=\"x\"', 'b=\"1\"']\n",
            ["5: never reached: the route at line 4 matches all that this one does"],
        ),
        (
            TARGETS + "routes:\n  - match: ['a!=\"x\"']\n  - match: ['a=\"y\"']\n  - match: []\n  - match: ['c=\"d\"']\n",
            [
                "5: never reached: the route at line 4 matches all that this one does",
                "7: never reached: the route at line 6 matches all that this one does",
            ],
        ),
        # all at once, in the order of the lines
        (
            "targets:\n  oncall:\n    routing_key: x\n  b: {}\ndefault_target: c\n",
            [
                "3: a routing key is 32 letters and digits",
                "4: it wants one of routing_key, routing_key_env and routing_key_file",
                "5: there is no target c",
            ],
        ),
        (
            TARGETS + "routs: 1\nroutes:\n  - match: ['x=~\"(\"']\n    target: nobody\n",
            [
                "3: there is no option routs",
                """5: 'x=~"("': the pattern cannot be read: missing ): (""",
                "6: there is no target nobody",
            ],
        ),
    ],
)
def test_every_problem_is_told_with_its_line(tmp_path: Path, text: str | bytes, expected: list[str]) -> None:
    assert problems(tmp_path, text) == expected


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RoutingFileError) as caught:
        read_routing(tmp_path / "none.yml", load_settings({}), {})
    assert caught.value.problems == [f"{tmp_path / 'none.yml'}: it cannot be read: No such file or directory"]


@pytest.mark.parametrize(
    "routes",
    [
        """  - match: ['a=~"x|y"']\n  - match: ['a=~"x|y|z"']\n""",
        """  - match: ['a="x"', 'b="1"']\n  - match: ['a="x"']\n""",
        """  - match: ['a="x"']\n  - match: ['a!="x"']\n""",
        """  - match: ['a!~"x.*"']\n  - match: ['a="xy"']\n""",
        """  - match: ['a=""']\n  - match: ['b="1"']\n""",
    ],
)
def test_a_route_that_can_be_reached_is_not_called_hidden(tmp_path: Path, routes: str) -> None:
    (tmp_path / "r.yml").write_text(TARGETS + "routes:\n" + routes)
    assert len(read_routing(tmp_path / "r.yml", load_settings({}), {}).routes) == 2


def test_heartbeats_alertmanagers_and_fallback_are_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    file = tmp_path / "r.yml"
    file.write_text(
        f"""
targets:
  oncall: {{routing_key_file: {tmp_path / "key"}}}
routes:
  - match: ['alertname="Watchdog"']
    heartbeat: 10m
  - match: [a=b]
    fallback: false
alertmanagers:
  default: http://am-0:9093/
  eu: [http://u:p@am-1:9093/path, https://am-2]
"""
    )
    routing = read_routing(file, load_settings({}), {})
    assert (routing.routes[0].heartbeat, routing.routes[1].fallback) == (timedelta(minutes=10), False)
    assert routing.alertmanagers == {"default": ("http://am-0:9093",), "eu": ("http://u:p@am-1:9093/path", "https://am-2")}
    assert routing.files == (file, tmp_path / "key")
