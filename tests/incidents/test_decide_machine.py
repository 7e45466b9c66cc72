"""Any interleaving of two peers, people and a clock that also steps back keeps the promises."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alertrouter.alertmanager import Alert
from alertrouter.escalation import Policy, Step, in_order
from alertrouter.incidents import (
    Acknowledged,
    Change,
    Escalated,
    Event,
    Incident,
    Key,
    Member,
    NothingLeftError,
    Notified,
    PagesResolved,
    Plan,
    Reopened,
    Resolved,
    Snoozed,
    State,
    Ticked,
    Unacknowledged,
    decide,
)

NAMES = ("a", "b")
ZERO = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def at(t: float) -> datetime:
    return ZERO + timedelta(seconds=t)


people: st.SearchStrategy[Event] = st.one_of(
    st.just(Acknowledged("ana")),
    st.sampled_from([0, 60, 900]).map(lambda seconds: Snoozed("ana", timedelta(seconds=seconds))),
    st.sampled_from([None, 1, 2, 3]).map(lambda number: Escalated("ana", number)),
    st.just(Resolved("ana")),
)
clock = st.sampled_from([0, 1, 29, 30, 60, 100, 600, -40])
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
).map(in_order)


class Incidents(RuleBasedStateMachine):
    """One incident key, and all that was ever sent for it."""

    @initialize(
        policy=steps,
        hold=st.sampled_from([0, 60]),
        pages=st.sampled_from(["oncall", "oncall", "none"]),
        per_alert=st.sampled_from([False, False, True]),
        repage=st.sampled_from([True, True, False]),
    )
    def begin(self, policy: tuple[Step, ...], hold: int, pages: str, per_alert: bool, repage: bool) -> None:
        self.key = Key("s", "g", per_alert, pages, repage, timedelta(seconds=hold))
        self.policy = Policy(policy, "r.md:1")
        self.t = 0
        self.state: State | None = None
        self.stored: dict[str, Member] = {}
        self.sent: dict[str, list[str]] = {}
        self.ids: list[str] = []
        self.bodies: list[Notified] = []
        self.reopening = False

    def happen(self, event: Event) -> None:
        try:
            changes = decide(self.state, event, at(self.t))
        except NothingLeftError:
            return
        for change in changes:
            self.check_change(change)
            self.check_steps(change, by_hand=isinstance(event, Escalated))
            for send in change.sends:
                self.sent.setdefault(send.key, []).append(send.action)
                assert send.key.partition("/")[0] == change.state.incident.id
                assert send.target != "none"
            self.stored = ({} if change.opened else self.stored) | {member.fingerprint: member for member in change.changed}
            assert self.stored == change.state.members, "the members that differ are all told"
            self.state = change.state
        if self.state is not None and self.state.incident.is_open:
            incident = self.state.incident
            assert incident.resolve_at is None or incident.resolve_at > at(self.t), "a hold that is over closes"
            assert incident.resolve_at or incident.due_at is None or incident.due_at > at(self.t), "nothing due is left"

    def check_change(self, change: Change) -> None:
        """An episode opens once, closes once, and Alertmanager closes it only when all that is known is over."""
        before, after = self.state.incident if self.state else None, change.state.incident
        assert change.entries or {send.action for send in change.sends} <= {"acknowledge"}, "what is done is told"
        if change.opened:
            assert before is None or not before.is_open, "one open incident a key"
            assert after.id not in self.ids, "an id is used once"
            assert after.previous == (before.id if before else None)
            self.ids.append(after.id)
            return
        assert before is not None
        assert before.id == after.id
        assert after.is_open <= before.is_open or self.reopening, "an episode that is over stays over"
        assert after.round >= before.round
        if before.is_open and not after.is_open and not after.resolved_by_person:
            assert not any(member.firing for member in change.state.members.values())
            assert not after.truncated or after.per_alert, "a body that was cut closes no group"
            assert before.resolve_at is None or before.resolve_at <= at(self.t), "the resolve is held to the end"
            assert before.resolve_at is not None or not after.resolve_hold

    def check_steps(self, change: Change, *, by_hand: bool) -> None:
        """A step that nobody took by hand is not early, not stopped, and not a second page at once."""
        incident = change.state.incident
        known = len(self.state.incident.pages) if self.state and not change.opened else 0
        for index, page in enumerate(incident.pages[known:], start=known):
            if not page.step or (by_hand and index == known):
                continue
            step = incident.policy.steps[page.step - 1]
            assert incident.armed_at + step.after <= at(self.t), "never early"
            assert incident.snoozed_until is None or incident.snoozed_until <= at(self.t), "nor while it is snoozed"
            assert incident.resolve_at is None, "nor while a resolve is held back"
            assert not (step.unless == "acknowledged" and incident.status == "acknowledged")
            waiting = {other.target for other in incident.pages[:index] if other.is_ringing}
            assert step.after or page.target not in waiting, "nobody is paged twice at once"

    @rule(found=st.lists(alerts, min_size=1, max_size=4), truncated=st.sampled_from([0, 0, 0, 2]))
    def notify(self, found: list[Alert], truncated: int) -> None:
        plan = Plan("error", "title", None, self.policy)
        self.deliver(Notified(self.key, tuple(found), lambda _: plan, truncated))

    @precondition(lambda self: bool(getattr(self, "bodies", ())))
    @rule(data=st.data())
    def notify_again(self, data: st.DataObject) -> None:
        """A repeat, the other peer's copy, or its stale snapshot."""
        self.deliver(data.draw(st.sampled_from(self.bodies)))

    @precondition(lambda self: getattr(self, "state", None) is not None)
    @rule(later=clock)
    def all_is_over(self, later: int) -> None:
        """Every alert that is known is resolved, and then time passes: within the hold, to its very end, or beyond."""
        assert self.state is not None
        over = tuple(
            Alert(False, member.labels, {}, member.starts_at, member.starts_at, "", member.fingerprint)
            for member in self.state.members.values()
        )
        self.deliver(Notified(self.key, over, _no_plan))
        self.t += later

    def deliver(self, body: Notified) -> None:
        self.bodies.append(body)
        before = self.state
        if before is not None and before.incident.resolve_at is not None and before.incident.resolve_at <= at(self.t):
            before = None  # it closes of itself before the body is looked at
        self.happen(body)
        if before is not None and before.incident.is_open:
            self.check_paged_again(before, body)
        firing = {name for name, fires in {alert.fingerprint: alert.firing for alert in body.alerts}.items() if fires}
        if not firing:
            return
        assert self.state is not None
        assert all(self.state.members[name].firing for name in firing)
        if not self.state.incident.is_open:
            assert before is not None
            self.check_absorbed(before, {alert.fingerprint for alert in body.alerts if alert.firing})

    def check_paged_again(self, before: State, body: Notified) -> None:
        """An unknown alert in an acknowledged incident pages again; one that fires as before never does."""
        assert self.state is not None
        old, new = before.incident, self.state.incident
        firing = {alert.fingerprint for alert in body.alerts if alert.firing}
        again = [page for page in new.pages[len(old.pages) :] if not page.step]
        if old.status != "acknowledged" or not self.key.repage_on_new_alert:
            assert (new.round, again) == (old.round, [])
        elif firing - before.members.keys():
            assert (new.round, new.armed_at, new.acknowledged_by) == (old.round + 1, at(self.t), None)
            assert len(again) == (self.key.target != "none")
        elif all(alert.firing and before.members[alert.fingerprint].firing for alert in body.alerts):
            assert (new.round, again, new.status) == (old.round, [], "acknowledged")
        assert old.resolve_at is None or new.resolve_at in (None, old.resolve_at), "a hold is not lengthened"

    def check_absorbed(self, closed: State, firing: set[str]) -> None:
        incident = closed.incident
        assert incident.resolved_by_person
        assert incident.resolved_at is not None
        assert at(self.t) < incident.resolved_at + incident.resolve_hold
        assert firing <= closed.members.keys()

    @rule(seconds=clock)
    def pass_time(self, seconds: int) -> None:
        self.t += seconds

    @rule(seconds=clock)
    def tick(self, seconds: int) -> None:
        self.t += seconds
        self.happen(Ticked())

    @rule(event=people)
    def somebody_acts(self, event: Event) -> None:
        pages = self.state.incident.pages if self.state is not None else ()
        self.happen(event)
        if self.state is not None and isinstance(event, Acknowledged):
            assert self.state.incident.status != "triggered"
            assert all(page.acknowledged or page.resolved or self.sent[page.key][1:] for page in pages), "PagerDuty is told"
        if self.state is not None and isinstance(event, Resolved):
            assert not self.state.incident.is_open

    @invariant()
    def every_key_is_triggered_once_and_resolved_once_when_its_incident_is_over(self) -> None:
        for key, actions in getattr(self, "sent", {}).items():
            assert self.state is not None
            over = not self.state.incident.is_open or key.partition("/")[0] != self.state.incident.id
            assert actions in [["trigger", *middle, *["resolve"] * over] for middle in ([], ["acknowledge"])]

    @invariant()
    def the_incident_agrees_with_itself(self) -> None:
        state: State | None = getattr(self, "state", None)
        if state is None:
            return
        incident = state.incident
        assert incident.firing == sum(member.firing for member in state.members.values())
        assert incident.firing + incident.resolved == len(state.members)
        assert incident.status != "acknowledged" or incident.acknowledged_at is not None
        assert incident.status != "triggered" or incident.acknowledged_at is None
        assert (incident.resolved_at is None) == incident.is_open
        assert len({page.key for page in incident.pages}) == len(incident.pages)
        assert incident.policy == self.policy
        if incident.is_open:
            held = incident.resolve_at is not None
            cut = bool(incident.truncated) and not incident.per_alert
            assert held == (not incident.firing and not cut), "held back exactly while nothing fires and nothing is hidden"
        assert incident.due_at == next_time(incident)


def _no_plan(alert: Alert) -> Plan:
    raise AssertionError(f"{alert.fingerprint} is known or resolved: nobody asks for its plan")


def next_time(incident: Incident) -> datetime | None:
    """When the first step that is left and not stopped is due."""
    if not incident.is_open:
        return None
    for step in incident.policy.steps[incident.step :]:
        if step.unless != "acknowledged" or incident.status != "acknowledged":
            return max(incident.armed_at + step.after, incident.snoozed_until or incident.armed_at)
    return None


class IncidentsAndPagerDuty(Incidents):
    """The same, and people who use PagerDuty: their words come late, twice, and for some of the keys."""

    @precondition(lambda self: getattr(self, "state", None) is not None and bool(self.state.incident.pages))
    @rule(data=st.data(), says=st.sampled_from([Acknowledged, Acknowledged, Unacknowledged, PagesResolved, Reopened]))
    def pagerduty_says(self, data: st.DataObject, says: Callable[[str, frozenset[str]], Event]) -> None:
        self.happen(Ticked())  # a hold that is over closes first
        assert self.state is not None
        before = self.state.incident
        keys = frozenset(data.draw(st.sets(st.sampled_from([page.key for page in before.pages]), min_size=1)))
        sent = {key: len(actions) for key, actions in self.sent.items()}
        self.reopening = says is Reopened
        self.happen(says("bia", keys))
        self.reopening = False
        told = {key for key, actions in self.sent.items() if key in keys and len(actions) > sent[key]}
        assert not told, "what PagerDuty told is never sent back to it"
        state: State = self.state
        after = state.incident
        is_news = any(not page.acknowledged for page in before.pages if page.key in keys)
        if says is Acknowledged and is_news and before.is_open:
            assert after.status != "triggered", "acknowledging any page acknowledges the incident"
        if says is PagesResolved and before.is_open and any(not page.resolved for page in before.pages if page.key in keys):
            own = [page for page in after.pages if page.target == after.target]
            assert after.is_open == any(not page.resolved for page in own)

    @invariant()
    def every_key_is_triggered_once_and_resolved_once_when_its_incident_is_over(self) -> None:
        for key, actions in getattr(self, "sent", {}).items():
            assert (actions[0], actions.count("trigger")) == ("trigger", 1)
            assert self.state is not None
            page = next((page for page in self.state.incident.pages if page.key == key), None)
            if page is not None and not self.state.incident.is_open:
                assert page.resolved or actions[-1] == "resolve"

    @invariant()
    def the_incident_agrees_with_itself(self) -> None:
        state: State | None = getattr(self, "state", None)
        if state is not None:
            assert (state.incident.resolved_at is None) == state.incident.is_open
            assert (state.incident.acknowledged_at is None) == (state.incident.acknowledged_by is None)
            assert state.incident.status != "triggered" or state.incident.acknowledged_at is None
            assert state.incident.due_at == next_time(state.incident)


TestIncidents = Incidents.TestCase
TestIncidents.settings = settings(max_examples=500, stateful_step_count=40, deadline=None)
TestIncidentsAndPagerDuty = IncidentsAndPagerDuty.TestCase
TestIncidentsAndPagerDuty.settings = settings(max_examples=400, stateful_step_count=40, deadline=None)
