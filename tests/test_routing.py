import time

import pytest

from alertrouter.routing import DRILL, HEARTBEAT_LOST, Route, Routing, Target, key_fingerprint, parse_matcher

KEYS = ["0" * 32, "1" * 32, "2" * 32]


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ('severity="info"', {"severity": "info"}, True),
        ('severity="info"', {"severity": "critical"}, False),
        # a missing label is the empty string
        ('severity=""', {}, True),
        ('severity!=""', {}, False),
        ('severity!="info"', {}, True),
        # patterns match whole values
        ('team=~"db|storage"', {"team": "storage"}, True),
        ('team=~"db|storage"', {"team": "storages"}, False),
        ('team=~"db.*"', {"team": "db\nx"}, False),
        (r'team=~".*\bapi\b.*"', {"team": "the api x"}, True),
        ('team=~"[[:alpha:]]+"', {"team": "db"}, True),
        (r"team=~a\\.b", {"team": "a.b"}, True),
        (r"team=a\\b", {"team": r"a\b"}, True),
        (r'team="C:\temp"', {"team": r"C:\temp"}, True),
        ("team=a b", {"team": "a b"}, True),
        ('team!~"db|storage"', {"team": "web"}, True),
        ('team!~"db|storage"', {"team": "db"}, False),
        # spaces, unquoted values, quoted names, escapes
        (" team = db ", {"team": "db"}, True),
        ('"my label"="x"', {"my label": "x"}, True),
        (r'path="a\"b\\c\nd"', {"path": 'a"b\\c\nd'}, True),
        (r'path=~"\\d+"', {"path": "42"}, True),
        (r'path=~"\d+"', {"path": "42"}, True),
        (r'path=~"a\.b"', {"path": "a.b"}, True),
        (r'path=~"a\.b"', {"path": "axb"}, False),
        # Go's escapes count where all are Go's
        (r'"é"="\t\u00e7\x41\U0001f600"', {"é": "\tçA😀"}, True),
        (r'a="\t"', {"a": r"\t"}, True),  # of a classic name the classic escapes
        (r'a="\t\d"', {"a": r"\t\d"}, True),
        (r'a="\ud800\U00110000"', {"a": r"\ud800\U00110000"}, True),
        ("região=sul", {"região": "sul"}, True),
        ("a=", {"a": ""}, True),
    ],
)
def test_a_matcher_matches_as_alertmanagers_does(text: str, labels: dict[str, str], expected: bool) -> None:
    assert parse_matcher(text).matches(labels) is expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "severity", '="x"', '""="x"', 'a=="x"', 'a="x', 'a="x" b="y"', '{a="b"}'),
        # patterns that cannot be read, or that Python would read as something else than RE2 does
        *('a=~"("', 'a=~"' + "(" * 5000 + '"', r'a=~"(a)\1"', 'a=~"(?=a)"', 'a=~"a++"', "a=b,c", "a={b}"),
    ],
)
def test_what_is_no_matcher_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"matcher|pattern") as caught:
        parse_matcher(text)
    assert "\n" not in str(caught.value)


def routing() -> Routing:
    targets = [Target("oncall", KEYS[0]), Target("dba", KEYS[1], ("DBA team",), (KEYS[2],))]
    routes = [
        Route((parse_matcher('severity="info"'),), "none"),
        Route((parse_matcher('team="db"'),), "dba"),
        Route((parse_matcher('team="db"'),), "oncall"),
    ]
    return Routing(targets, routes, "oncall")


def test_the_first_route_that_matches_wins_and_the_rest_goes_to_the_default_target() -> None:
    assert routing().route({"severity": "info", "team": "db"}).target == "none"
    assert routing().route({"team": "db"}).target == "dba"
    assert routing().route({}).target == "oncall"


def test_targets_are_known_by_name_and_alias_regardless_of_case() -> None:
    assert [routing().target_named(name) for name in ("DBA", "dba TEAM", " oncall ", "nobody")] == ["dba", "dba", "oncall", None]


def test_a_routing_key_is_found_by_its_fingerprint_and_never_shown() -> None:
    assert routing().fingerprints() == {"oncall": key_fingerprint(KEYS[0]), "dba": key_fingerprint(KEYS[1])}
    assert [routing().routing_key(key_fingerprint(key)) for key in KEYS] == KEYS
    assert routing().routing_key("unknown") is None
    assert not any(key in repr(routing().targets) + key_fingerprint(key) for key in KEYS)


def test_no_value_makes_a_pattern_take_long() -> None:
    matcher = parse_matcher('instance=~"([a-z0-9]+[.-]?)+:9100"')
    began = time.monotonic()
    assert not matcher.matches({"instance": "a" * 5000})
    assert time.monotonic() - began < 1


def test_a_drill_for_a_target_that_there_is_not_pages_nobody() -> None:
    routing = Routing([Target("oncall", KEYS[0], ("plantão",))], (), "oncall")
    assert [routing.route({DRILL: name}).target for name in ("", "oncall", "PLANTÃO", "x", " ")] == [
        *("oncall", "oncall", "oncall"),
        *("none", "none"),
    ]


def test_the_page_of_a_lost_heartbeat_goes_every_way_whatever_route_matches_its_name() -> None:
    silent = Routing([Target("oncall")], [Route((), "oncall", fallback=False)], "oncall")
    lost = {"alertname": HEARTBEAT_LOST, "heartbeat": "Watchdog"}
    assert [silent.fallback(labels) for labels in (lost, {"alertname": HEARTBEAT_LOST}, {})] == [True, False, False]
