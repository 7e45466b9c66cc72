from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from alertrouter.escalation import Policy, Step
from alertrouter.incidents import Incident, Member
from alertrouter.pagerduty import events
from alertrouter.pagerduty.events import Paging, Steps, severity_of, title_of
from alertrouter.sandbox.schema import read

KEY = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
LABELS = {"alertname": "HighErrorRate", "service": "checkout", "instance": "10.0.0.1:80", "severity": "critical"}
POLICY = Policy((Step(timedelta(minutes=15), "engineering", "resolved"),), "agentes.md:30")


def member(labels: dict[str, str] = LABELS, annotations: dict[str, str] | None = None, number: int = 0) -> Member:
    notes = {"summary": "Errors above 1%", "description": "3% of requests fail"} if annotations is None else annotations
    title = title_of(labels, notes)
    return Member(f"{number:016x}", True, labels, notes, "http://prometheus/graph?g0=x", "critical", title, NOW, NOW)


def paging(*members: Member, **given: Any) -> Paging:
    members = members or (member(),)
    incident = Incident(
        "i1", "default", "g", False, "oncall", "triggered", "critical", members[0].title, NOW, POLICY, NOW,
        external_url="http://alertmanager:9093", firing=len(members),
    )  # fmt: skip
    values: dict[str, Any] = {
        "key": "i1",
        "reason": "opened",
        "to": "oncall",
        "incident": incident,
        "members": members,
        "steps": (Steps("HighErrorRate", "1. Look at the logs"),),
        "incident_url": "https://router.example/incidents/i1",
        "client_url": "https://router.example/incidents/i1",
        "runbook_url": "https://router.example/runbooks/agentes.md#higherrorrate",
    }
    return Paging(**values | given)


def refused(event: dict[str, object]) -> list[str]:
    """What the strict PagerDuty finds wrong with an event."""
    body = events.encode(event, KEY)
    assert len(body) <= events.MOST_BYTES
    _, errors = read("event", body)
    return list(errors)


def details(event: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = event["payload"]["custom_details"]
    return found


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("critical", ("critical", True)),
        ("page", ("critical", True)),
        ("error", ("error", True)),
        ("high", ("error", True)),
        ("warning", ("warning", True)),
        ("WARN", ("warning", True)),
        ("info", ("info", True)),
        ("none", ("info", True)),
        # unknown is never a 400, and the caller is told
        ("catastrophic", ("error", False)),
        ("", ("error", False)),
        (None, ("error", False)),
    ],
)
def test_a_severity_label_becomes_one_of_pagerdutys_four(label: str | None, expected: tuple[str, bool]) -> None:
    assert severity_of(label) == expected


@pytest.mark.parametrize(
    ("labels", "annotations", "title"),
    [
        ({"alertname": "A", "service": "web", "instance": "x"}, {"summary": "slow"}, "A on web: slow"),
        ({"alertname": "A", "instance": "x"}, {"description": "slow"}, "A on x: slow"),
        ({"alertname": "A"}, {}, "A"),
        # alertname is not mandatory
        ({"job": "j"}, {}, "An alert without a name on j"),
        ({"alertname": "A\nB"}, {"summary": "c\td\x00"}, "A B: c d"),
    ],
)
def test_a_title_says_what_where_and_what_it_means_in_one_line(
    labels: dict[str, str], annotations: dict[str, str], title: str
) -> None:
    assert title_of(labels, annotations) == title


def test_a_page_says_first_what_a_phone_shows() -> None:
    event: dict[str, Any] = events.trigger(paging(member(), member(number=1), member(number=2)))
    assert event["payload"]["summary"] == "[CRITICAL] HighErrorRate on checkout: Errors above 1% (+2 more)"
    assert event["dedup_key"] == "i1"
    assert (event["client"], event["client_url"]) == ("alertrouter", "https://router.example/incidents/i1")
    assert [link["text"] for link in event["links"]] == [
        "Incident",
        "Runbook",
        "Source of the alert",
        "Alertmanager",
        "Silence it",
    ]
    assert refused(event) == []


def test_the_details_read_in_order_from_a_to_z_and_carry_the_runbook_and_the_escalation() -> None:
    event: dict[str, Any] = events.trigger(paging())
    found = details(event)
    assert list(found) == sorted(found)
    assert found["1 What fires"] == "HighErrorRate on checkout: Errors above 1%"
    assert found["3 First steps"] == "1. Look at the logs"
    assert found["4 Escalation"] == "engineering in 15m unless resolved (agentes.md:30)"
    assert found["6 Counts"] == "1 firing, 0 resolved"
    assert "service=checkout" in found["7 Labels"]


def test_an_escalation_and_a_follow_up_say_so() -> None:
    escalated: dict[str, Any] = events.trigger(paging(reason="escalation", to="engineering", key="i1/e1"))
    assert escalated["payload"]["summary"].startswith("[CRITICAL] Escalated to engineering: HighErrorRate")
    assert escalated["dedup_key"] == "i1/e1"
    follow_up: dict[str, Any] = events.trigger(paging(reason="follow-up", key="i1/2"))
    assert follow_up["payload"]["summary"].startswith("[CRITICAL] New alert: HighErrorRate")


@pytest.mark.parametrize(
    ("policy", "has_section", "unread", "words"),
    [
        (POLICY, True, "", "engineering in 15m unless resolved (agentes.md:30)"),
        (Policy((Step(timedelta(0), "dba", None),), "r.md:3"), True, "", "dba at once (r.md:3)"),
        (Policy(POLICY.steps, "default"), True, "", "engineering in 15m unless resolved (default; the runbook states none)"),
        (Policy(POLICY.steps, "route"), True, "r.md:3", "engineering in 15m unless resolved (route; r.md:3 cannot be read)"),
        (Policy(POLICY.steps, "default"), False, "", "engineering in 15m unless resolved (default)"),
        (Policy((), "default"), True, "r.md:3", "none (default; r.md:3 cannot be read)"),
        (Policy((), "route"), False, "", "none"),
    ],
)
def test_the_policy_is_said_in_words_with_its_source(policy: Policy, has_section: bool, unread: str, words: str) -> None:
    incident = replace(paging().incident, policy=policy)
    assert events.escalation_in_words(incident, has_section=has_section, unread=unread) == words


def test_ten_thousand_alerts_with_huge_annotations_fit_and_the_first_steps_outlive_the_tail() -> None:
    annotations = {"summary": "é" * 100_000, "description": "\x01\U0001f525" * 5_000_000}
    members = tuple(member({**LABELS, "pod": "p" * 5000 + f"{n}"}, annotations, n) for n in range(10_000))
    event: dict[str, Any] = events.trigger(paging(*members))
    assert refused(event) == []
    assert details(event)["3 First steps"] == "1. Look at the logs"
    assert details(event)["5 Alerts"].count("HighErrorRate") > 5
    assert "more" in details(event)["5 Alerts"]


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", "", "not a url", "http://", "http://[x", "ftp://a/b", "http://x/" + "y" * 5000]
)
def test_a_link_that_pagerduty_would_refuse_is_left_out(href: str) -> None:
    bad = replace(member(), generator_url=href)
    event: dict[str, Any] = events.trigger(paging(bad, incident_url=href, client_url=href, runbook_url=href))
    assert refused(event) == []
    assert [link["text"] for link in event["links"]] == ["Alertmanager", "Silence it"]
    assert "client_url" not in event


def test_the_silence_link_is_filled_with_quoted_matchers() -> None:
    event: dict[str, Any] = events.trigger(paging(member({"alertname": 'a"b\\c'})))
    [href] = [link["href"] for link in event["links"] if link["text"] == "Silence it"]
    assert href == "http://alertmanager:9093/#/silences/new?filter=%7Balertname%3D%22a%5C%22b%5C%5Cc%22%7D"


def test_the_minimal_event_has_the_required_fields_only() -> None:
    event = events.minimal(paging())
    assert refused(event) == []
    assert event.keys() == {"event_action", "dedup_key", "payload"}
    assert event["payload"].keys() == {"summary", "source", "severity"}


def test_acknowledge_and_resolve_carry_only_their_key() -> None:
    for action in ("acknowledge", "resolve"):
        event = events.follow(action, "i1")
        assert event == {"event_action": action, "dedup_key": "i1"}
        assert refused(event) == []


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
sized = st.builds(lambda text, times: text * times, texts, st.sampled_from([1, 1, 50, 5000]))
names = st.one_of(st.sampled_from(["alertname", "service", "instance", "job", "severity", "summary", "description"]), texts)


@settings(max_examples=150, deadline=None)
@given(labels=st.dictionaries(names, sized, max_size=8), notes=st.dictionaries(names, sized, max_size=4), url=sized, steps=sized)
def test_no_label_annotation_or_runbook_of_any_content_or_size_is_ever_refused(
    labels: dict[str, str], notes: dict[str, str], url: str, steps: str
) -> None:
    one = replace(member(labels, notes), generator_url=url)
    many = paging(one, *(replace(one, fingerprint=f"{n}") for n in range(60)), steps=(Steps("A", steps),), incident_url=url)
    assert refused(events.trigger(many)) == []
    assert refused(events.minimal(many)) == []


@given(st.from_regex(events._PLAIN_LINK, fullmatch=True))
def test_an_address_that_is_taken_for_plain_is_one_of_http_or_https_with_a_host(href: str) -> None:
    parts = urlsplit(href)
    assert parts.scheme in {"http", "https"}
    assert parts.netloc
    assert not events._CONTROL.search(href)
    assert " " not in href
