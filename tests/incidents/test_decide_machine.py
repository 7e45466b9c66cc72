"""Any interleaving of two peers, people and a clock that also steps back keeps the promises."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alertrouter.alertmanager import Alert
from alertrouter.escalation import Policy, Step
from alertrouter.incidents import (
    Acknowledged,
    Escalated,
    Event,
    Key,
    NothingLeftError,
    Notified,
    Plan,
    Resolved,
    Snoozed,
    State,
    Ticked,
    decide,
)
from alertrouter.incidents.draft import next_step

NAMES = ("a", "b", "c")
ZERO = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def at(t: float) -> datetime:
    return ZERO + timedelta(seconds=t)


alerts = st.builds(
    lambda name, firing, starts, length: Alert(
        firing, {"alertname": name}, {}, at(starts), None if firing else at(starts + length), "", name
    ),
    st.sampled_from(NAMES),
    st.booleans(),
    st.sampled_from([-50, 0, 20, 100, 400]),
    st.sampled_from([0, 10, 300]),
)
steps = st.lists(
    st.builds(
        Step,
        st.sampled_from([0, 30, 90, 600]).map(lambda seconds: timedelta(seconds=seconds)),
        st.sampled_from(["oncall", "dba", ""]),
        st.sampled_from(["acknowledged", "resolved"]),
    ),
    max_size=3,
).map(lambda found: tuple(sorted((Step(s.after, s.to, s.unless if s.after else None) for s in found), key=lambda s: s.after)))


class Incidents(RuleBasedStateMachine):
    """One incident key, and all that was ever sent for it."""

    @initialize(
        policy=steps,
        hold=st.sampled_from([0, 60]),
        pages=st.sampled_from(["oncall", "none"]),
        per_alert=st.booleans(),
        repage=st.booleans(),
    )
    def begin(self, policy: tuple[Step, ...], hold: int, pages: str, per_alert: bool, repage: bool) -> None:
        self.key = Key("s", "g", per_alert, pages, repage, timedelta(seconds=hold))
        self.policy = Policy(policy, "r.md:1")
        self.t = 0
        self.state: State | None = None
        self.sent: dict[str, list[str]] = {}
        self.ids: list[str] = []

    def happen(self, event: Event) -> None:
        before = self.state
        try:
            changes = decide(before, event, at(self.t))
        except NothingLeftError:
            return
        for change in changes:
            self.check(before, change.state, change.opened)
            if change.opened:
                assert change.state.incident.id not in self.ids, "an id is used once"
                self.ids.append(change.state.incident.id)
            for send in change.sends:
                self.sent.setdefault(send.key, []).append(send.action)
                assert send.key.partition("/")[0] == change.state.incident.id
                assert send.target != "none"
            self.state = before = change.state

    def check(self, before: State | None, after: State, opened: bool) -> None:
        """What one change may do."""
        incident = after.incident
        if opened:
            assert before is None or not before.incident.is_open, "one open incident a key"
            assert incident.previous == (before.incident.id if before else None)
            return
        assert before is not None
        assert before.incident.id == incident.id
        assert incident.round >= before.incident.round
        if not before.incident.is_open:
            assert not incident.is_open, "an episode that is over stays over"
        elif not incident.is_open and not incident.resolved_by_person:
            assert not any(member.firing for member in before.members.values()) or not incident.firing
        new = {page.key for page in incident.pages} - {page.key for page in before.incident.pages}
        self.check_steps(before, [page.step for page in incident.pages if page.key in new and page.step])

    def check_steps(self, before: State, taken: list[int]) -> None:
        """No step early: a step that nobody asked for was due."""
        if taken and not self.asked:
            due = before.incident.due_at
            assert self.armed_anew or (due is not None and due <= at(self.t))

    asked = False
    armed_anew = False

    @rule(found=st.lists(alerts, min_size=1, max_size=4), truncated=st.sampled_from([0, 0, 0, 2]))
    def notify(self, found: list[Alert], truncated: int) -> None:
        self.armed_anew = True  # a new alert arms the policy again: its steps of 0 s come at once
        plan = Plan("error", "title", None, self.policy)
        was_closed_by_person = self.state is not None and self.state.incident.resolved_by_person
        self.happen(Notified(self.key, tuple(found), lambda _: plan, truncated))
        self.armed_anew = False
        last = {alert.fingerprint: alert.firing for alert in found}
        if any(last.values()) and not was_closed_by_person:
            assert self.state is not None
            assert self.state.incident.is_open, "what fires is in an open incident"
            assert all(self.state.members[name].firing for name, firing in last.items() if firing)

    @rule(seconds=st.sampled_from([0, 1, 29, 60, 100, 1000, -40]))
    def pass_time(self, seconds: int) -> None:
        self.t += seconds

    @rule()
    def tick(self) -> None:
        self.happen(Ticked())
        if self.state is not None and self.state.incident.is_open and self.state.incident.resolve_at is None:
            due = self.state.incident.due_at
            assert due is None or due > at(self.t), "nothing that is due is left"

    @rule()
    def acknowledge(self) -> None:
        self.happen(Acknowledged("ana"))

    @rule()
    def resolve(self) -> None:
        self.happen(Resolved("ana"))

    @rule(seconds=st.sampled_from([0, 60, 900]))
    def snooze(self, seconds: int) -> None:
        self.happen(Snoozed("ana", timedelta(seconds=seconds)))

    @rule(number=st.sampled_from([None, 1, 2, 3]))
    def escalate(self, number: int | None) -> None:
        self.asked = True
        self.happen(Escalated("ana", number))
        self.asked = False

    @invariant()
    def every_key_is_triggered_once_and_resolved_once_when_its_incident_is_over(self) -> None:
        is_open = self.state is not None and self.state.incident.is_open
        for key, actions in getattr(self, "sent", {}).items():
            assert actions[0] == "trigger"
            assert actions.count("trigger") == 1
            over = not (is_open and key.partition("/")[0] == self.ids[-1])
            assert actions.count("resolve") == int(over)
            assert actions.count("acknowledge") <= 1
            assert not over or actions[-1] == "resolve"

    @invariant()
    def the_incident_agrees_with_itself(self) -> None:
        state: Any = getattr(self, "state", None)
        if state is None:
            return
        incident = state.incident
        assert incident.firing == sum(member.firing for member in state.members.values())
        assert incident.firing + incident.resolved == len(state.members)
        assert (incident.status == "acknowledged") <= (incident.acknowledged_at is not None)
        assert (incident.status == "triggered") <= (incident.acknowledged_at is None)
        assert len({page.key for page in incident.pages}) == len(incident.pages)
        assert not (incident.firing and incident.resolve_at), "nothing is held back while something fires"
        left = next_step(incident) if incident.is_open else None
        assert (incident.due_at is None) == (left is None)


TestIncidents = Incidents.TestCase
TestIncidents.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
