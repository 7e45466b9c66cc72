"""Which policy an alert gets: the section's, then the route's, then the default; and whom its steps page."""

from datetime import UTC, datetime, timedelta

import pytest

from alertrouter.alertmanager import Alert, Notification
from alertrouter.escalation import Step
from alertrouter.planning import Playbook, named_targets
from alertrouter.routing import Route, Routing, Target, parse_matcher
from alertrouter.runbooks.match import Index
from alertrouter.runbooks.parse import parse

RUNBOOK = """# Stated
**Escalation**: If not resolved in 15 min, escalate to engenharia

# Unknown
**Escalation**: If not resolved in 15 min, escalate to the moon crew

# Two
**Escalation**: Immediate to DBA and engenharia. If not resolved in 9 min, escalate to the crew and the fleet

# Unreadable
**Escalation**: as you like

# Silent
Look at the logs.
"""
TARGETS = [Target("oncall", "0" * 32), Target("engineering", "1" * 32, ("engenharia",)), Target("dba", "2" * 32)]
ROUTES = [
    Route((parse_matcher('team="db"'),), "dba", per_alert=True, escalation=(Step(timedelta(minutes=5), "", "acknowledged"),)),
    Route((parse_matcher('severity="info"'),), "none"),
]
ROUTING = Routing(TARGETS, ROUTES, "oncall")
DEFAULT = Step(timedelta(minutes=15), "", "acknowledged")
PLAYBOOK = Playbook(ROUTING, Index([parse("r.md", RUNBOOK)]), (DEFAULT,), timedelta(seconds=60), "http://router.test")
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def alert(**labels: str) -> Alert:
    return Alert(True, labels, {}, NOW, None, "", "f")


@pytest.mark.parametrize(
    ("labels", "source", "steps"),
    [
        ({"alertname": "Stated"}, "r.md:2", [(15, "engineering", "resolved")]),
        # the section outranks the route
        ({"alertname": "Stated", "team": "db"}, "r.md:2", [(15, "engineering", "resolved")]),
        # a target that nobody knows: the incident's own is better than nobody
        ({"alertname": "Unknown"}, "r.md:5", [(15, "oncall", "resolved")]),
        ({"alertname": "Unknown", "team": "db"}, "r.md:5", [(15, "dba", "resolved")]),
        (
            {"alertname": "Two"},
            "r.md:8",
            [(0, "dba", None), (0, "engineering", None), (9, "oncall", "resolved")],  # two that nobody knows: one page, not two
        ),
        # not readable, not stated, no section: the default, unless the route says
        ({"alertname": "Unreadable"}, "default", [(15, "oncall", "acknowledged")]),
        ({"alertname": "Silent"}, "default", [(15, "oncall", "acknowledged")]),
        ({"alertname": "Other"}, "default", [(15, "oncall", "acknowledged")]),
        ({"alertname": "Other", "team": "db"}, "route", [(5, "dba", "acknowledged")]),
        # the target none pages nobody, whatever the runbook says
        ({"alertname": "Stated", "severity": "info"}, "default", []),
    ],
)
def test_the_policy_and_whom_it_pages(labels: dict[str, str], source: str, steps: list[tuple[int, str, str | None]]) -> None:
    policy = PLAYBOOK.plan(alert(**labels)).policy
    assert policy.source == source
    assert [(step.after // timedelta(minutes=1), step.to, step.unless) for step in policy.steps] == steps


def test_the_key_is_the_group_and_the_target_or_the_alert() -> None:
    notification = Notification("eu", "{}:{x}", "r", "", 0, ())
    group = PLAYBOOK.key(notification, alert(alertname="A"))
    assert (group.source, group.subject, group.per_alert, group.target) == ("eu", "{}:{x}", False, "oncall")
    single = PLAYBOOK.key(notification, alert(team="db"))
    assert (single.subject, single.per_alert, single.target) == ("f", True, "dba")


@pytest.mark.parametrize(
    ("phrase", "named"),
    [
        ("ENGENHARIA", {"ENGENHARIA": "engineering"}),
        ("dba and engenharia", {"dba": "dba", "engenharia": "engineering"}),
        ("dba, oncall e engineering", {"dba": "dba", "oncall": "oncall", "engineering": "engineering"}),
        ("dba y la gerencia", {"dba": "dba", "la gerencia": None}),
        ("nobody", {"nobody": None}),
        ("DBA on-call and engenharia de plantão", {"DBA on-call": "dba", "engenharia de plantão": "engineering"}),
    ],
)
def test_a_step_names_one_target_or_several_joined_by_and(phrase: str, named: dict[str, str | None]) -> None:
    assert named_targets(ROUTING, phrase) == named


def test_a_target_whose_own_name_holds_an_and_is_one() -> None:
    routing = Routing([Target("ops", "0" * 32, ("redes e banco",))], (), "ops")
    assert named_targets(routing, "Redes e Banco") == {"Redes e Banco": "ops"}
