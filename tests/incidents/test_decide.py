"""The rules of an incident, one by one. `t` is seconds since the first notification; the hold is 60 s."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from alertrouter.alertmanager import Alert
from alertrouter.escalation import Policy, Step, Unless
from alertrouter.incidents import (
    Acknowledged,
    Change,
    Escalated,
    Event,
    Incident,
    Key,
    NothingLeftError,
    Notified,
    PagesResolved,
    Plan,
    Reopened,
    Resolved,
    Restored,
    Snoozed,
    State,
    Ticked,
    Unacknowledged,
    decide,
)

ZERO = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
HOLD = timedelta(seconds=60)
KEY = Key("default", "{}:{}", False, "oncall", True, HOLD)
MINUTE = 60


def at(t: float) -> datetime:
    return ZERO + timedelta(seconds=t)


def step(after: int, to: str = "engineering", unless: Unless | None = "resolved") -> Step:
    return Step(timedelta(seconds=after), to, unless)


def fires(name: str = "a", starts: float = 0, **given: Any) -> Alert:
    return Alert(True, {"alertname": name, "severity": "critical", **given}, {}, at(starts), None, "", name)


def ends(name: str = "a", ended: float = 100, starts: float = 0) -> Alert:
    return Alert(False, {"alertname": name, "severity": "critical"}, {}, at(starts), at(ended), "", name)


class Story:
    """One incident key and what happens to it."""

    def __init__(self, *steps: Step, key: Key = KEY) -> None:
        self.steps = steps or (step(15 * MINUTE),)
        self.key = key
        self.state: State | None = None
        self.sent: list[str] = []
        self.told: list[str] = []
        self.opened: list[str] = []
        self.last: list[Change] = []

    def plan(self, alert: Alert) -> Plan:
        severity: Any = alert.labels.get("severity", "error")
        return Plan(severity, alert.labels["alertname"], f"rev-{alert.labels['alertname']}", Policy(self.steps, "r.md:1"))

    def notify(self, t: float, *alerts: Alert, truncated: int = 0) -> Incident | None:
        return self.happen(t, Notified(self.key, alerts, self.plan, truncated))

    def happen(self, t: float, event: Event) -> Incident | None:
        self.last = decide(self.state, event, at(t))
        for change in self.last:
            self.state = change.state
            short = change.state.incident.id
            self.opened += [short] if change.opened else []
            self.sent += [f"{send.action} {self.short(send.key)} -> {send.target}" for send in change.sends]
            self.told += [entry.kind for entry in change.entries]
        return self.state.incident if self.state else None

    def tick(self, t: float) -> Incident:
        incident = self.happen(t, Ticked())
        assert incident is not None
        return incident

    def short(self, key: str) -> str:
        """A dedup key with the incident's id written as #1, #2 ..."""
        for number, incident_id in enumerate(self.opened, start=1):
            key = key.replace(incident_id, f"#{number}")
        return key

    @property
    def incident(self) -> Incident:
        assert self.state is not None
        return self.state.incident


PAGED = ["trigger #1 -> oncall"]
CLOSED = ["trigger #1 -> oncall", "resolve #1 -> oncall"]


class TestOnePagePerEpisode:
    def test_a_firing_alert_opens_an_incident_and_pages_its_target(self) -> None:
        story = Story()
        story.notify(0, fires())
        assert story.sent == PAGED
        assert (story.incident.status, story.incident.title, story.incident.section) == ("triggered", "a", "rev-a")
        assert story.incident.due_at == at(15 * MINUTE)

    def test_repeats_of_whatever_kind_page_nobody(self) -> None:
        story = Story()
        story.notify(0, fires())
        for repeat in (
            fires(),
            # startsAt may move while it fires, either way: it restarts no timer
            fires(starts=50),
            fires(starts=-50),
            # annotations change with the value
            replace(fires(), annotations={"value": "7"}),
        ):
            story.notify(5, repeat)
        assert story.sent == PAGED
        assert story.incident.due_at == at(15 * MINUTE)
        assert story.incident.notifications == 5

    def test_a_new_member_of_an_incident_nobody_has_acknowledged_pages_nobody(self) -> None:
        story = Story()
        story.notify(0, fires("a"))
        story.notify(5, fires("a"), fires("b"))
        assert story.sent == PAGED
        assert story.incident.firing == 2

    def test_a_resolve_of_what_was_never_seen_firing_opens_nothing(self) -> None:
        story = Story()
        assert story.notify(0, ends()) is None
        assert story.last == []

    def test_the_target_none_is_recorded_and_pages_nobody(self) -> None:
        story = Story(key=replace(KEY, target="none"))
        story.steps = ()
        story.notify(0, fires())
        story.happen(5, Acknowledged("ana"))
        story.notify(10, ends())
        story.tick(70)
        assert story.sent == []
        assert "acknowledged" in story.told
        assert story.incident.status == "resolved"

    def test_the_most_severe_then_the_oldest_firing_member_leads(self) -> None:
        story = Story()
        story.notify(0, fires("warn", severity="warning"), fires("new", starts=5), fires("old", starts=1))
        assert (story.incident.title, story.incident.severity) == ("old", "critical")
        story.notify(5, ends("old"), fires("warn", severity="warning"), fires("new", starts=5))
        assert story.incident.title == "new"
        story.notify(6, ends("new"))
        assert (story.incident.title, story.incident.severity) == ("warn", "warning")

    def test_of_several_alert_names_the_soonest_policy_counts(self) -> None:
        story = Story()
        policies = {"a": (step(600),), "b": (step(300, "dba"),), "c": ()}
        plans = {name: Plan("error", name, None, Policy(steps, name)) for name, steps in policies.items()}
        alerts = (fires("a"), fires("b"), fires("c"))
        story.happen(0, Notified(KEY, alerts, lambda alert: plans[alert.labels["alertname"]]))
        assert story.incident.policy == Policy(policies["b"], "b")

    def test_of_policies_that_are_equally_soon_the_most_severe_alert_s_counts(self) -> None:
        story = Story()
        plans = {name: Plan(name, name, None, Policy((step(300),), name)) for name in ("warning", "critical", "error")}
        alerts = tuple(fires(name) for name in plans)
        story.happen(0, Notified(KEY, alerts, lambda alert: plans[alert.labels["alertname"]]))
        assert story.incident.policy.source == "critical"

    def test_the_policy_is_frozen_when_the_incident_opens(self) -> None:
        story = Story(step(600))
        story.notify(0, fires("a"))
        story.steps = (step(1),)
        story.notify(5, fires("a"), fires("b"))
        assert story.incident.policy.steps == (step(600),)

    def test_deciding_twice_gives_the_same_key(self) -> None:
        first, second = Story(), Story()
        assert first.notify(0, fires()) == second.notify(0, fires())


class TestMembers:
    @pytest.mark.parametrize(
        ("said", "kept"),
        [
            # startsAt moved on while it fired: that is the start of the present episode
            ({"starts_at": at(50)}, {"starts_at": at(50)}),
            # a peer that saw it earlier moves nothing
            ({"starts_at": at(-50)}, {}),
            # what it says of itself is always the latest, whatever else changed
            ({"annotations": {"value": "7"}}, {"annotations": {"value": "7"}}),
            ({"generator_url": "http://p/g"}, {"generator_url": "http://p/g"}),
            ({"starts_at": at(-50), "generator_url": "http://p/g"}, {"generator_url": "http://p/g"}),
            # an identical repeat writes nothing
            ({}, {}),
        ],
    )
    def test_a_repeat_updates_what_it_says_and_never_moves_the_start_back(self, said: Any, kept: Any) -> None:
        story = Story()
        story.notify(0, fires())
        assert story.state is not None
        before = story.state.members["a"]
        story.notify(5, replace(fires(), **said))
        assert story.state.members["a"] == replace(before, **kept)
        assert story.last[0].changed == ((story.state.members["a"],) if kept else ())

    def test_a_start_that_moved_on_makes_the_resolve_of_the_old_start_too_old(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.notify(110, fires(starts=100))
        # the peer that is behind sends the old start again: the new one stays
        story.notify(115, fires(starts=0))
        story.notify(120, ends(ended=99))
        assert (story.incident.firing, story.incident.resolve_at, story.told[-1]) == (1, None, "alerts")

    def test_an_unknown_alert_that_is_resolved_changes_nothing(self) -> None:
        story = Story()
        story.notify(0, fires("a"))
        story.notify(10, ends("z"))
        assert story.state is not None
        assert list(story.state.members) == ["a"]
        assert story.last[0].changed == ()
        assert story.incident.resolve_at is None

    def test_a_plan_is_asked_once_for_each_alert_that_the_incident_does_not_know(self) -> None:
        story, asked = Story(), []

        def plan(alert: Alert) -> Plan:
            asked.append(alert.fingerprint)
            return story.plan(alert)

        story.happen(0, Notified(KEY, (fires("a"), fires("b"), ends("z")), plan))
        story.happen(5, Notified(KEY, (fires("a"), fires("b"), fires("c")), plan))
        assert asked == ["a", "b", "c"]

    def test_an_incident_says_where_it_came_from(self) -> None:
        story = Story(key=Key("cluster", "{}:{x}", True, "dba", False, timedelta(seconds=7)))
        story.happen(0, Notified(story.key, (fires(),), story.plan, 0, "web", "http://am"))
        incident = story.incident
        assert (
            Key(
                incident.source,
                incident.subject,
                incident.per_alert,
                incident.target,
                incident.repage_on_new_alert,
                incident.resolve_hold,
            )
            == story.key
        )
        assert (incident.receiver, incident.external_url) == ("web", "http://am")

    def test_an_id_is_new_even_in_the_same_instant(self) -> None:
        story = Story(key=replace(KEY, resolve_hold=timedelta(0)))
        for _ in range(3):
            story.notify(0, fires())
            story.notify(0, ends(ended=0))
        assert len(set(story.opened)) == 3

    def test_the_timeline_tells_every_change_and_why(self) -> None:
        story = Story(step(600))
        events: list[tuple[float, Event, list[tuple[str, dict[str, Any]]]]] = [
            (0, self.body(fires("a"), fires("b")), [("opened", {"alerts": ["a", "b"]})]),
            (5, self.body(fires("a"), fires("b")), []),
            (10, Acknowledged("ana"), [("acknowledged", {"by": "ana"})]),
            (20, self.body(fires("c")), [("alerts", {"joined": ["c"]}), ("paged_again", {"alerts": ["c"]})]),
            (30, Snoozed("ana", timedelta(seconds=40)), [("snoozed", {"by": "ana", "until": at(70).isoformat()})]),
            (40, Escalated("ana", 1), [("escalated", {"step": 1, "to": "engineering", "by": "ana"})]),
            (
                60,
                self.body(ends("a"), ends("b"), ends("c")),
                [("alerts", {"resolved": ["a", "b", "c"]}), ("hold_started", {"until": at(120).isoformat()})],
            ),
            (70, self.body(fires("a")), [("alerts", {"back": ["a"]}), ("hold_cancelled", {"why": "firing again"})]),
            (75, self.body(ends("a", ended=-9)), [("alerts", {"ignored": ["a"]})]),
            (80, Resolved("ana"), [("resolved", {"reason": "resolved by ana"})]),
            (90, self.body(fires("a")), [("absorbed", {"alerts": ["a"]})]),
        ]
        for t, event, told in events:
            story.happen(t, event)
            assert [(entry.kind, entry.detail) for change in story.last for entry in change.entries] == told, t

    def body(self, *alerts: Alert) -> Notified:
        return Notified(KEY, alerts, Story(step(600)).plan)


class TestResolve:
    def test_it_is_held_back_and_then_closes_every_key(self) -> None:
        story = Story(step(10), step(3600))
        story.notify(0, fires())
        story.tick(10)
        story.notify(100, ends())
        assert story.incident.resolve_at == at(160)
        assert story.incident.is_open
        story.tick(159)
        assert "resolve #1 -> oncall" not in story.sent
        story.tick(160)
        assert story.sent[2:] == ["resolve #1 -> oncall", "resolve #1/e1 -> engineering"]
        closed = story.incident
        assert (closed.status, closed.due_at, closed.resolve_at) == ("resolved", None, None)

    def test_a_hold_of_zero_closes_at_once(self) -> None:
        story = Story(key=replace(KEY, resolve_hold=timedelta(0)))
        story.notify(0, fires())
        story.notify(10, ends())
        assert story.sent == CLOSED
        assert not story.incident.resolved_by_person

    def test_a_repeated_resolve_does_not_lengthen_the_hold(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.notify(100, ends())
        story.notify(130, ends())
        assert story.incident.resolve_at == at(160)

    def test_an_alert_that_joins_within_the_hold_cancels_it_too(self) -> None:
        story = Story()
        story.notify(0, fires("a"))
        story.happen(10, Acknowledged("ana"))
        story.notify(100, ends("a"))
        story.notify(130, ends("a"), fires("b"))
        assert (story.incident.resolve_at, story.incident.title) == (None, "b")
        assert story.sent == [*PAGED, "acknowledge #1 -> oncall", "trigger #1/2 -> oncall"]

    @pytest.mark.parametrize(
        "again",
        [
            # ambiguous: a stale snapshot of a slower peer, or genuine
            fires(starts=0),
            # genuinely new
            fires(starts=130),
            # before everything: a peer that saw it earlier
            fires(starts=-100),
        ],
    )
    def test_a_known_member_firing_within_the_hold_cancels_it_whatever_its_start(self, again: Alert) -> None:
        story = Story()
        story.notify(0, fires())
        story.happen(10, Acknowledged("ana"))
        story.notify(100, ends())
        story.notify(130, again)
        assert story.incident.resolve_at is None
        assert (story.incident.status, story.incident.acknowledged_by) == ("acknowledged", "ana")
        story.tick(300)
        assert story.sent == [*PAGED, "acknowledge #1 -> oncall"]

    def test_steps_that_fell_due_during_the_hold_are_taken_when_it_is_cancelled(self) -> None:
        story = Story(step(110))
        story.notify(0, fires())
        story.notify(100, ends())
        story.tick(120)
        assert story.sent == PAGED
        story.notify(130, fires())
        assert story.sent == [*PAGED, "trigger #1/e1 -> engineering"]

    def test_after_the_hold_any_firing_opens_a_new_incident_that_names_the_one_before(self) -> None:
        for starts in (0, 200):
            story = Story()
            story.notify(0, fires())
            story.notify(100, ends())
            # the clock has not ticked: the hold is over all the same
            story.notify(161, fires(starts=starts))
            assert story.sent == [*CLOSED, "trigger #2 -> oncall"]
            assert story.incident.previous == story.opened[0]

    def test_a_corrective_resolve_that_is_identical_counts_again(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.notify(12, ends(ended=10))
        story.notify(15, fires())
        story.notify(27, ends(ended=10))
        assert story.incident.resolve_at == at(87)
        story.tick(87)
        assert story.sent == CLOSED

    def test_what_two_peers_do_in_the_lab_is_one_page_and_one_resolve(self) -> None:
        story = Story()
        for t, alert in ((2, fires()), (14, ends(ended=13)), (17, fires()), (29, ends(ended=13))):
            story.notify(t, alert)
        story.tick(89)
        assert story.sent == CLOSED

    def test_a_late_or_repeated_resolve_of_a_closed_incident_changes_nothing_for_pagerduty(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.notify(100, ends())
        story.tick(160)
        story.notify(170, ends())
        assert story.sent == CLOSED
        assert story.incident.status == "resolved"

    @pytest.mark.parametrize(
        ("alert", "is_applied"),
        [
            # strictly before the start of the present episode: a resolve of an earlier one
            (ends(ended=49, starts=10), False),
            # a resolved alert with startsAt == endsAt is valid
            (ends(ended=50, starts=50), True),
            (ends(ended=51, starts=50), True),
        ],
    )
    def test_a_resolve_that_ended_before_the_start_is_ignored(self, alert: Alert, is_applied: bool) -> None:
        story = Story()
        story.notify(60, fires(starts=50))
        story.notify(70, alert)
        assert (story.incident.resolve_at is not None) is is_applied

    def test_a_resolve_without_a_readable_end_ends_now(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.notify(70, replace(ends(), ends_at=None))
        assert story.incident.resolve_at == at(130)
        assert story.state is not None
        assert story.state.members["a"].ends_at == at(70)

    def test_absence_is_not_resolution(self) -> None:
        story = Story()
        story.notify(0, fires("a"), fires("b"))
        story.notify(10, ends("b"))
        assert (story.incident.firing, story.incident.resolve_at) == (1, None)

    def test_a_resolved_alert_that_reappears_changes_nothing(self) -> None:
        story = Story()
        story.notify(0, fires("a"), fires("b"))
        story.notify(10, ends("b"), fires("a"))
        before = story.state
        story.notify(20, ends("b", ended=15), fires("a"))
        assert before is not None
        assert story.state == replace(before, incident=replace(before.incident, notifications=3))

    @pytest.mark.parametrize(("truncated", "per_alert", "is_held"), [(7, False, False), (0, False, True), (7, True, True)])
    def test_a_truncated_body_closes_no_group_but_a_shown_resolve_of_one_alert_counts(
        self, truncated: int, per_alert: bool, is_held: bool
    ) -> None:
        story = Story(key=replace(KEY, per_alert=per_alert))
        story.notify(0, fires(), truncated=truncated)
        story.notify(10, ends(), truncated=truncated)
        assert (story.incident.resolve_at is not None) is is_held

    def test_after_a_truncated_body_a_whole_one_closes_even_without_a_known_alert(self) -> None:
        story = Story()
        story.notify(0, fires(), truncated=3)
        story.notify(10, ends(), truncated=3)
        assert story.incident.truncated == 3
        story.notify(20)
        assert story.incident.resolve_at == at(80)

    def test_a_truncated_body_within_the_hold_keeps_the_group_open(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.notify(10, ends())
        story.notify(20, ends(), truncated=2)
        story.tick(200)
        assert story.incident.is_open


class TestAPersonResolves:
    def closed(self) -> Story:
        story = Story()
        story.notify(0, fires("a"), fires("b"))
        story.notify(50, ends("b"), fires("a"))
        story.happen(100, Resolved("ana"))
        return story

    def test_pagerduty_is_told_at_once_and_again_is_nothing_new(self) -> None:
        story = self.closed()
        assert story.sent == CLOSED
        assert story.incident.resolve_reason == "resolved by ana"
        story.happen(110, Resolved("bia"))
        assert story.last == []

    def test_what_still_fires_is_absorbed_within_the_hold(self) -> None:
        story = self.closed()
        story.notify(159, fires("a"), fires("b"))
        assert story.sent == CLOSED
        assert story.told[-1] == "absorbed"

    def test_what_fires_later_opens_a_new_incident(self) -> None:
        story = self.closed()
        story.notify(160, fires("a"))
        assert story.sent == [*CLOSED, "trigger #2 -> oncall"]

    def test_what_ended_before_and_starts_anew_is_a_new_episode_even_within_the_hold(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.notify(100, ends(ended=100))
        # nothing fires any more: there is no repeat that could be absorbed
        story.happen(110, Resolved("ana"))
        # startsAt after the applied end: no stale snapshot, and Alertmanager will not send it again for hours
        story.notify(130, fires(starts=120))
        assert story.sent == [*CLOSED, "trigger #2 -> oncall"]

    def test_what_starts_at_the_very_end_may_be_a_stale_snapshot_and_is_absorbed(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.notify(100, ends(ended=100))
        story.happen(110, Resolved("ana"))
        story.notify(130, fires(starts=100))
        assert story.sent == CLOSED

    def test_what_had_ended_and_fires_again_when_it_is_closed_is_absorbed(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.notify(50, ends(ended=50))
        story.notify(70, fires(starts=60))
        story.happen(100, Resolved("ana"))
        story.notify(110, fires(starts=60))
        assert story.sent == CLOSED

    def test_a_late_resolve_is_still_recorded(self) -> None:
        story = self.closed()
        story.notify(110, ends("a"))
        assert story.state is not None
        assert not story.state.members["a"].firing
        assert (story.incident.firing, story.incident.resolved, story.incident.notifications) == (0, 2, 3)
        assert story.sent == CLOSED

    def test_an_alert_that_it_never_saw_opens_a_new_incident_even_within_the_hold(self) -> None:
        story = self.closed()
        story.notify(110, fires("a"), fires("c"))
        assert story.sent == [*CLOSED, "trigger #2 -> oncall"]
        assert story.incident.firing == 2


class TestANewAlertInAnAcknowledgedIncident:
    def acknowledged(self, **given: Any) -> Story:
        story = Story(step(600), key=replace(KEY, **given))
        story.notify(0, fires("a"), fires("b"))
        story.happen(100, Acknowledged("ana"))
        assert story.sent == [*PAGED, "acknowledge #1 -> oncall"]
        return story

    def test_pages_again_under_a_follow_up_key_and_arms_the_policy_again(self) -> None:
        story = self.acknowledged()
        story.notify(200, fires("c"))
        assert story.sent[2:] == ["trigger #1/2 -> oncall"]
        assert (story.incident.status, story.incident.acknowledged_by, story.incident.acknowledged_at) == (
            "triggered",
            None,
            None,
        )
        assert story.incident.due_at == at(800)
        story.happen(210, Acknowledged("bia"))
        story.notify(220, fires("d"))
        assert story.sent[3:] == ["acknowledge #1/2 -> oncall", "trigger #1/3 -> oncall"]
        story.happen(300, Resolved("bia"))
        assert story.sent[5:] == ["resolve #1 -> oncall", "resolve #1/2 -> oncall", "resolve #1/3 -> oncall"]

    def test_a_repeat_does_not(self) -> None:
        story = self.acknowledged()
        story.notify(200, fires("a"), fires("b"))
        assert story.sent[2:] == []

    def test_unless_the_route_says_otherwise(self) -> None:
        story = self.acknowledged(repage_on_new_alert=False)
        story.notify(200, fires("c"))
        assert story.sent[2:] == []
        assert story.incident.status == "acknowledged"

    @pytest.mark.parametrize(("back", "pages"), [(259, []), (260, ["trigger #1/2 -> oncall"])])
    def test_a_member_that_flaps_within_the_hold_is_not_new_and_later_is(self, back: float, pages: list[str]) -> None:
        story = self.acknowledged()
        story.notify(200, ends("b"))
        story.notify(back, fires("b", starts=back))
        assert story.sent[2:] == pages

    def test_a_step_taken_again_uses_a_key_that_pagerduty_has_not_seen(self) -> None:
        story = Story(step(600))
        story.notify(0, fires("a"))
        story.tick(600)
        story.happen(650, Acknowledged("ana"))
        story.notify(700, fires("b"))
        story.tick(1300)
        assert [one for one in story.sent if one.startswith("trigger")] == [
            "trigger #1 -> oncall",
            "trigger #1/e1 -> engineering",
            "trigger #1/2 -> oncall",
            "trigger #1/e1.2 -> engineering",
        ]

    def test_a_step_taken_again_is_numbered_by_the_arming(self) -> None:
        story = Story(step(600))
        story.notify(0, fires("a"))
        story.tick(600)
        # armed a second time, and acknowledged before the step is taken, and armed a third time
        for t, name in ((700, "b"), (800, "c")):
            story.happen(t, Acknowledged("ana"))
            story.notify(t, fires(name))
        assert story.incident.round == 3
        story.tick(1400)
        assert story.sent[-1] == "trigger #1/e1.3 -> engineering"

    def test_the_policy_that_is_armed_again_is_not_snoozed(self) -> None:
        story = self.acknowledged()
        story.happen(150, Snoozed("ana", timedelta(hours=9)))
        story.notify(200, fires("c"))
        assert (story.incident.snoozed_until, story.incident.due_at) == (None, at(800))


class TestEscalation:
    def test_it_is_taken_once_at_its_time_and_never_early(self) -> None:
        story = Story(step(600))
        story.notify(0, fires())
        story.tick(599.999999)
        assert story.sent == PAGED
        story.tick(605)
        assert story.last[0].lateness == (timedelta(seconds=5),)
        story.tick(606)
        assert story.sent == [*PAGED, "trigger #1/e1 -> engineering"]
        assert (story.incident.step, story.incident.due_at, story.incident.status) == (1, None, "triggered")

    def test_several_steps_are_taken_in_their_order_each_at_its_time(self) -> None:
        story = Story(step(600), step(1200, "dba"))
        story.notify(0, fires())
        story.tick(600)
        assert story.incident.due_at == at(1200)
        story.tick(1200)
        assert story.sent[1:] == ["trigger #1/e1 -> engineering", "trigger #1/e2 -> dba"]

    def test_steps_missed_while_nothing_ran_are_all_taken(self) -> None:
        story = Story(step(600), step(1200, "dba"))
        story.notify(0, fires())
        story.tick(5000)
        assert story.sent[1:] == ["trigger #1/e1 -> engineering", "trigger #1/e2 -> dba"]

    @pytest.mark.parametrize(
        ("unless", "taken"),
        [
            # "if not resolved" is not stopped by an acknowledgement, and the incident stays acknowledged
            ("resolved", ["trigger #1/e1 -> engineering"]),
            # "if not acknowledged" is
            ("acknowledged", []),
        ],
    )
    def test_unless_means_what_the_runbook_says(self, unless: Unless, taken: list[str]) -> None:
        story = Story(step(600, unless=unless))
        story.notify(0, fires())
        story.happen(100, Acknowledged("ana"))
        story.tick(600)
        assert story.sent[2:] == taken
        assert (story.incident.status, story.incident.due_at) == ("acknowledged", None)

    def test_a_step_that_is_skipped_leaves_the_later_ones(self) -> None:
        story = Story(step(600, unless="acknowledged"), step(1200, "dba"))
        story.notify(0, fires())
        story.happen(100, Acknowledged("ana"))
        assert story.incident.due_at == at(1200)
        story.tick(1200)
        assert story.sent[2:] == ["trigger #1/e2 -> dba"]

    def test_an_immediate_step_is_taken_when_the_incident_opens(self) -> None:
        story = Story(step(0, "dba", None))
        story.notify(0, fires())
        assert story.sent == [*PAGED, "trigger #1/e1 -> dba"]

    def test_an_immediate_step_to_a_target_already_paged_is_recorded_not_sent(self) -> None:
        story = Story(step(0, "oncall", None), step(600))
        story.notify(0, fires())
        assert story.sent == PAGED
        assert (story.incident.step, story.told[-1]) == (1, "step_already_paged")
        assert story.incident.due_at == at(600)

    def test_a_step_to_the_own_target_is_a_page_of_its_own(self) -> None:
        story = Story(step(600, "", "acknowledged"))
        story.notify(0, fires())
        story.tick(600)
        assert story.sent == [*PAGED, "trigger #1/e1 -> oncall"]

    def test_snooze_delays_the_steps_and_leaves_the_status(self) -> None:
        story = Story(step(600), step(1200, "dba"), step(5000, "boss"))
        story.notify(0, fires())
        story.happen(100, Snoozed("ana", timedelta(seconds=1800)))
        assert (story.incident.due_at, story.incident.snoozed_until, story.incident.status) == (at(1900), at(1900), "triggered")
        story.tick(1899)
        assert story.sent == PAGED
        story.tick(1900)
        assert story.sent[1:] == ["trigger #1/e1 -> engineering", "trigger #1/e2 -> dba"]
        assert story.incident.due_at == at(5000)

    def test_a_snooze_never_brings_a_step_forward_and_the_last_one_counts(self) -> None:
        story = Story(step(600))
        story.notify(0, fires())
        story.happen(10, Snoozed("ana", timedelta(hours=1)))
        story.happen(20, Snoozed("ana", timedelta(seconds=60)))
        assert (story.incident.due_at, story.incident.snoozed_until) == (at(600), at(80))

    @pytest.mark.parametrize(
        ("event", "sent"),
        [
            # the step was due at 600 and nothing ran until 605: what is said at 605 is looked at first
            (Acknowledged("ana"), ["acknowledge #1 -> oncall"]),
            (Snoozed("ana", timedelta(seconds=60)), []),
            (Resolved("ana"), ["resolve #1 -> oncall"]),
            (Notified(KEY, (ends(),), Story().plan), []),
            # taken by hand, it is not taken again by the clock
            (Escalated("ana"), ["trigger #1/e1 -> engineering"]),
        ],
    )
    def test_what_happens_counts_before_a_step_that_is_overdue(self, event: Event, sent: list[str]) -> None:
        story = Story(step(600, unless="acknowledged"))
        story.notify(0, fires())
        story.happen(605, event)
        assert story.sent[1:] == sent

    def test_a_step_taken_by_hand_again_and_again_has_a_key_of_its_own_each_time(self) -> None:
        story = Story(step(600))
        story.notify(0, fires())
        for t in (10, 20, 30):
            story.happen(t, Escalated("ana", 1))
        assert [send.split()[1] for send in story.sent[1:]] == ["#1/e1", "#1/e1.2", "#1/e1.3"]

    def test_a_person_takes_the_next_step_or_any_and_there_may_be_none_left(self) -> None:
        story = Story(step(600), step(1200, "dba"))
        story.notify(0, fires())
        story.happen(10, Escalated("ana"))
        story.happen(20, Escalated("ana", 2))
        story.happen(30, Escalated("ana", 1))
        assert story.sent[1:] == ["trigger #1/e1 -> engineering", "trigger #1/e2 -> dba", "trigger #1/e1.2 -> engineering"]
        assert (story.incident.step, story.incident.due_at) == (2, None)
        for wanted in (None, 0, 3, -1):
            with pytest.raises(NothingLeftError):
                story.happen(40, Escalated("ana", wanted))

    def test_the_next_step_of_an_acknowledged_incident_is_the_one_that_was_to_come(self) -> None:
        story = Story(step(600, unless="acknowledged"), step(1200, "dba"))
        story.notify(0, fires())
        story.happen(10, Acknowledged("ana"))
        story.happen(20, Escalated("ana"))
        assert story.sent[2:] == ["trigger #1/e2 -> dba"]

    @pytest.mark.parametrize(
        ("taken", "event", "sent", "refused"),
        [
            (0, Escalated("ana", after=0, next=1), "trigger #1/e1 -> engineering", None),
            (1, Escalated("ana", after=0, next=1), None, None),  # it was taken meanwhile, which is what was wanted
            (1, Escalated("ana", after=1, next=1), None, "another one"),
            (0, Escalated("ana", after=1, next=2), None, "begun again"),
            (0, Escalated("ana", after=0, next=2), None, "another one"),
        ],
    )
    def test_a_button_takes_the_step_that_it_named_or_says_why_not(
        self, taken: int, event: Escalated, sent: str | None, refused: str | None
    ) -> None:
        story = Story(step(600), step(1200, "dba"))
        story.notify(0, fires())
        for _ in range(taken):
            story.happen(10, Escalated("bia"))
        before = list(story.sent)
        with pytest.raises(NothingLeftError, match=refused) if refused else nullcontext():
            story.happen(20, event)
        assert story.sent == before + ([sent] if sent else [])

    def test_what_fell_due_during_a_hold_is_not_late(self) -> None:
        story = Story(step(110))
        story.notify(0, fires())
        story.notify(100, ends())
        story.notify(130, fires())
        assert story.last[0].lateness == (timedelta(0),)

    def test_what_fires_and_ends_in_one_body_has_its_title(self) -> None:
        story = Story()
        story.notify(0, fires(), ends())
        assert (story.incident.title, story.incident.resolve_at) == ("a", at(60))

    def test_what_is_resolved_can_neither_be_escalated_nor_snoozed(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.happen(10, Resolved("ana"))
        for event in (Escalated("ana"), Snoozed("ana", timedelta(1))):
            with pytest.raises(NothingLeftError, match="resolved"):
                story.happen(20, event)


class TestAcknowledge:
    def test_every_page_is_acknowledged_once_and_the_first_name_stays(self) -> None:
        story = Story(step(0, "dba", None), step(600))
        story.notify(0, fires())
        story.happen(10, Acknowledged("ana"))
        story.happen(20, Acknowledged("bia"))
        assert story.sent[2:] == ["acknowledge #1 -> oncall", "acknowledge #1/e1 -> dba"]
        assert (story.incident.acknowledged_by, story.incident.acknowledged_at) == ("ana", at(10))
        assert story.told.count("acknowledged") == 1

    def test_a_page_that_came_after_it_can_be_acknowledged_too(self) -> None:
        story = Story(step(600))
        story.notify(0, fires())
        story.happen(10, Acknowledged("ana"))
        story.tick(600)
        story.happen(610, Acknowledged("bia"))
        assert story.sent[2:] == ["trigger #1/e1 -> engineering", "acknowledge #1/e1 -> engineering"]
        assert story.incident.acknowledged_by == "ana"

    def test_the_timeline_tells_who_acknowledged_a_page_that_came_after_it(self) -> None:
        story = Story(step(600))
        story.notify(0, fires())
        story.happen(10, Acknowledged("ana"))
        story.tick(600)
        story.happen(610, Acknowledged("bia"))
        assert story.told[-1] == "acknowledged"

    def test_a_resolved_incident_stays_resolved(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.happen(10, Resolved("ana"))
        story.happen(20, Acknowledged("bia"))
        assert story.last == []


def keys(story: Story, *pages: int) -> frozenset[str]:
    """The keys of the pages with these numbers, from 0."""
    return frozenset(story.incident.pages[number].key for number in pages)


class TestWhatPagerDutySays:
    def test_an_acknowledgement_there_is_ours_and_only_the_other_keys_are_told(self) -> None:
        story = Story(step(0, "dba"))
        story.notify(0, fires())
        story.happen(60, Acknowledged("Bia in PagerDuty", keys(story, 1)))
        assert (story.incident.status, story.incident.acknowledged_by) == ("acknowledged", "Bia in PagerDuty")
        assert story.sent[2:] == ["acknowledge #1 -> oncall"]

    def test_one_that_comes_late_after_a_new_alert_has_paged_again_changes_nothing(self) -> None:
        story = Story()
        story.notify(0, fires())
        first = keys(story, 0)
        story.happen(60, Acknowledged("ana"))
        story.notify(120, fires("b"))
        story.happen(180, Acknowledged("Bia in PagerDuty", first))  # our own coming back, or a repeat of an older one
        assert story.incident.status == "triggered"
        after = story.happen(240, Acknowledged("Bia in PagerDuty", keys(story, 1)))
        assert after
        assert after.acknowledged_by == "Bia in PagerDuty"

    def test_an_acknowledgement_that_is_taken_back_arms_the_policy_again(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.happen(60, Acknowledged("Bia in PagerDuty", keys(story, 0)))
        story.happen(600, Unacknowledged("PagerDuty", keys(story, 0)))
        assert (story.incident.status, story.incident.acknowledged_by) == ("triggered", None)
        assert story.incident.due_at == at(600 + 15 * MINUTE)
        story.happen(601, Unacknowledged("PagerDuty", keys(story, 0)))
        assert story.incident.due_at == at(600 + 15 * MINUTE)
        assert story.told.count("unacknowledged") == 1

    def test_resolving_a_steps_page_closes_that_page_alone(self) -> None:
        story = Story(step(0, "dba"))
        story.notify(0, fires())
        story.happen(60, PagesResolved("Bia in PagerDuty", keys(story, 1)))
        assert story.incident.is_open
        story.happen(120, Resolved("ana"))
        assert story.sent[2:] == ["resolve #1 -> oncall"]

    def test_the_incident_is_over_with_the_last_page_of_its_own_target(self) -> None:
        story = Story(step(0, "dba"))
        story.notify(0, fires())
        story.happen(60, Acknowledged("ana"))
        story.notify(120, fires("b"))
        assert [story.short(page.key) for page in story.incident.pages] == ["#1", "#1/e1", "#1/2", "#1/e1.2"]
        story.happen(180, PagesResolved("Bia in PagerDuty", keys(story, 0)))
        assert story.incident.is_open
        sent = len(story.sent)
        story.happen(240, PagesResolved("Bia in PagerDuty", keys(story, 2)))
        assert (story.incident.status, story.incident.resolve_reason) == ("resolved", "resolved by Bia in PagerDuty")
        assert story.sent[sent:] == ["resolve #1/e1 -> dba", "resolve #1/e1.2 -> dba"]

    def test_a_resolve_that_comes_twice_is_told_once(self) -> None:
        story = Story()
        story.notify(0, fires())
        for t in (60, 61):
            story.happen(t, PagesResolved("Bia in PagerDuty", keys(story, 0)))
        assert story.sent == PAGED
        assert story.told.count("resolved") == 1

    def test_alertmanager_still_firing_what_was_resolved_there_is_absorbed_and_then_a_new_incident(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.happen(60, PagesResolved("Bia in PagerDuty", keys(story, 0)))
        story.notify(90, fires())
        assert story.opened == [story.incident.id]
        story.notify(121, fires())
        assert len(story.opened) == 2

    def test_what_is_reopened_there_is_open_here_with_its_policy_armed(self) -> None:
        story = Story()
        story.notify(0, fires())
        story.happen(60, PagesResolved("Bia in PagerDuty", keys(story, 0)))
        story.happen(600, Reopened("Bia in PagerDuty", keys(story, 0)))
        assert (story.incident.status, story.incident.resolved_at) == ("triggered", None)
        story.tick(600 + 15 * MINUTE)
        assert story.sent[1:] == ["trigger #1/e1 -> engineering"]
        story.happen(3000, Resolved("ana"))
        assert story.sent[2:] == ["resolve #1 -> oncall", "resolve #1/e1 -> engineering"]

    def test_an_immediate_step_is_taken_again_when_a_new_alert_pages_again(self) -> None:
        story = Story(step(0, "dba"), step(0, "oncall"))
        story.notify(0, fires())
        story.happen(60, Acknowledged("ana"))
        story.notify(120, fires("b"))
        assert story.sent[4:] == ["trigger #1/2 -> oncall", "trigger #1/e1.2 -> dba"]


class TestARestore:
    @pytest.mark.parametrize(
        ("t", "events", "left"),
        [
            (14 * MINUTE, [], (0, 15)),
            (15 * MINUTE, [], (1, 30)),
            (31 * MINUTE, [], (2, None)),
            (15 * MINUTE, [Acknowledged("ana")], (1, None)),  # the second step is for what nobody has
            (15 * MINUTE, [Snoozed("ana", timedelta(minutes=20))], (0, 20)),
        ],
    )
    def test_leaves_out_the_steps_whose_time_has_come_and_no_later_one(
        self, t: float, events: list[Event], left: tuple[int, int | None]
    ) -> None:
        story = Story(step(15 * MINUTE), step(30 * MINUTE, "dba", "acknowledged"))
        story.notify(0, fires())
        for event in events:
            story.happen(0, event)
        sent = list(story.sent)
        story.happen(t, Restored())
        incident = story.incident
        assert (incident.step, incident.due_at and (incident.due_at - ZERO) // timedelta(minutes=1)) == left
        assert story.sent == sent
        assert ("restored" in story.told) == (left[0] > 0)

    def test_leaves_out_what_a_hold_that_is_cancelled_later_would_take(self) -> None:
        story = Story(step(30))
        story.notify(0, fires())
        story.notify(20, ends())
        story.happen(60, Restored())
        story.notify(70, fires())
        assert (story.incident.status, story.sent) == ("triggered", PAGED)
