"""Which policy an alert gets: the section's, then the route's, then the default; and whom its steps page."""

from datetime import UTC, datetime, timedelta

import pytest

from alertrouter.alertmanager import Alert, Notification
from alertrouter.escalation import Step
from alertrouter.planning import Playbook, runbook_problems
from alertrouter.routing import Route, Routing, Target, parse_matcher
from alertrouter.runbooks.match import Index
from alertrouter.runbooks.parse import parse

RUNBOOK = """# Stated
**Escalation**: If not resolved in 15 min, escalate to engenharia

# Unknown
**Escalation**: If not resolved in 15 min, escalate to nobody we know

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
        # not readable, not stated, no section: the default, unless the route says
        ({"alertname": "Unreadable"}, "default", [(15, "oncall", "acknowledged")]),
        ({"alertname": "Silent"}, "default", [(15, "oncall", "acknowledged")]),
        ({"alertname": "Other"}, "default", [(15, "oncall", "acknowledged")]),
        ({"alertname": "Other", "team": "db"}, "route", [(5, "dba", "acknowledged")]),
        # the target none pages nobody, whatever the runbook says
        ({"alertname": "Stated", "severity": "info"}, "default", []),
    ],
)
def test_the_policy_and_whom_it_pages(labels: dict[str, str], source: str, steps: list[tuple[int, str, str]]) -> None:
    policy = PLAYBOOK.plan(alert(**labels)).policy
    assert policy.source == source
    assert [(step.after // timedelta(minutes=1), step.to, step.unless) for step in policy.steps] == steps


def test_the_key_is_the_group_and_the_target_or_the_alert() -> None:
    notification = Notification("eu", "{}:{x}", "r", "", 0, ())
    group = PLAYBOOK.key(notification, alert(alertname="A"))
    assert (group.source, group.subject, group.per_alert, group.target) == ("eu", "{}:{x}", False, "oncall")
    single = PLAYBOOK.key(notification, alert(team="db"))
    assert (single.subject, single.per_alert, single.target) == ("f", True, "dba")


def test_what_a_runbook_states_and_nobody_can_follow_is_told_with_its_line() -> None:
    assert runbook_problems(PLAYBOOK.index.sections, ROUTING) == [
        "r.md:5: there is no target nobody we know",
        "r.md:8: the escalation cannot be read; the default applies",
    ]
