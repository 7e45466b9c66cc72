"""What is posted by Alertmanager: bodies that repeat what is known are counted, and the others are read and decided on.

A body is a repeat by what is known of it (`alertrouter.store.repeats`) and by the rows of its incidents, which this transaction
has read and locked: nothing is taken for a repeat on memory alone.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from alertrouter import intake, telemetry
from alertrouter.alertmanager import Notification, parse
from alertrouter.intake import Arrival, subjects_of
from alertrouter.moments import to_micros
from alertrouter.planning import Playbook
from alertrouter.store import codec, incidents
from alertrouter.store.database import Transaction
from alertrouter.store.recent import Known, Row
from alertrouter.store.repeats import Repeat


@dataclass(frozen=True, slots=True)
class Post:
    """A body that was posted, by whom, and what routing and the runbooks said then; `trace` is its context, if it is traced.

    It has been read (`notification`), or is known to have told nothing new when it came last (`repeat`).
    """

    body: bytes
    source: str
    playbook: Playbook
    trace: str
    notification: Notification | None
    repeat: Repeat | None

    def read(self) -> Notification:
        """What the body says."""
        return self.notification or parse(self.body, self.source)

    def subjects(self) -> Collection[str]:
        """All that it may be about."""
        return self.repeat.subjects if self.repeat else frozenset(subjects_of(self.read()))


def take(tx: Transaction, posts: Sequence[Post]) -> list[list[str]]:
    """Count and write many posts; for each, the ids of the incidents that it belongs to."""
    subjects = [post.subjects() for post in posts]
    rows = incidents.latest_rows(tx, set().union(*subjects))
    tx.check_in_time()
    incidents.see(tx, rows)
    repeats = _that_hold(tx, posts, subjects, rows)
    _count(tx, repeats.values())
    answers = {place: repeat.ids for place, repeat in repeats.items()}
    if news := [place for place in range(len(posts)) if place not in repeats]:
        counted = {incident_id for repeat in repeats.values() for incident_id in repeat.marks}
        others = [row for row in rows if row[0] not in counted]
        before = {row[0]: tx.seen[row[0]] for row in others}
        arrivals = [Arrival(posts[place].read(), posts[place].playbook, posts[place].trace) for place in news]
        answers |= zip(news, intake.receive(tx, arrivals, others), strict=True)
        told = [
            _Told(posts[place], arrival.notification, subjects[place], answers[place])
            for place, arrival in zip(news, arrivals, strict=True)
        ]
        tx.after_commit.append(lambda: _learn(tx, told, before))
    return [answers[place] for place in range(len(posts))]


def _that_hold(
    tx: Transaction, posts: Sequence[Post], subjects: Sequence[Collection[str]], rows: Sequence[Row]
) -> dict[int, Repeat]:
    """The repeats by their place, without those that have to do with anything that is none, or with an incident that is new."""
    by_id = {row[0]: row for row in rows}
    known = ((place, post.repeat, post.playbook.routing) for place, post in enumerate(posts))
    repeats = {
        place: repeat
        for place, repeat, routing in known
        if repeat and repeat.holds(by_id, tx.database.recent, routing, to_micros(tx.now))
    }
    theirs = {incident_id for repeat in repeats.values() for incident_id in repeat.marks}
    others = {codec.subject_of(row) for row in rows if row[0] not in theirs}
    others.update(*(about for place, about in enumerate(subjects) if place not in repeats))
    while touched := [place for place, repeat in repeats.items() if not others.isdisjoint(repeat.subjects)]:
        for place in touched:
            others.update(repeats.pop(place).subjects)
    return repeats


def _count(tx: Transaction, repeats: Collection[Repeat]) -> None:
    """What the repeats change: how many notifications there were, and what the last of them said beside its alerts."""
    times = Counter(incident_id for repeat in repeats for incident_id in repeat.marks)
    last = {incident_id: repeat for repeat in repeats for incident_id in repeat.marks}
    counters = {incident_id: codec.counters_of(tx.seen[incident_id].row) for incident_id in sorted(times)}
    for incident_id, counted in counters.items():
        repeat = last[incident_id]
        counted["notifications"] += times[incident_id]
        counted |= {"receiver": repeat.receiver, "external_url": repeat.external_url, "truncated": repeat.truncated}
    incidents.count(tx, counters)
    outcomes = [(repeat.source, "repeated") for repeat in repeats]
    alerts, firing = sum(repeat.alerts for repeat in repeats), sum(repeat.firing for repeat in repeats)
    tx.after_commit.append(lambda: telemetry.count_intake(outcomes, alerts, firing, 0))


@dataclass(frozen=True, slots=True)
class _Told:
    """A post that was decided on, all that it may be about, and the incidents that it belongs to."""

    post: Post
    notification: Notification
    subjects: Collection[str]
    ids: list[str]


def _learn(tx: Transaction, told: Sequence[_Told], before: Mapping[str, Known]) -> None:
    """Know from now on the bodies that told nothing new; `before` are the incidents of their subjects as they were found."""
    ids_of: dict[str, set[str]] = {}
    for incident_id, known in before.items():
        ids_of.setdefault(codec.subject_of(known.row), set()).add(incident_id)
    for one in told:
        theirs = set().union(*(ids_of.get(subject, ()) for subject in one.subjects))
        if theirs and theirs == set(one.ids) and all(_is_as_before(tx.seen[name], before[name]) for name in theirs):
            _keep(tx, one)


def _is_as_before(known: Known, before: Known) -> bool:
    """Whether an incident was counted on and nothing else, and would be by the same body again.

    While something fires, no hold can end meanwhile.
    """
    if known.mark is not before.mark or known.state is None:
        return False
    return known.state.incident.is_open and known.state.incident.firing > 0


def _keep(tx: Transaction, told: _Told) -> None:
    notification, routing = told.notification, told.post.playbook.routing
    alerts = notification.alerts
    if notification.unreadable or (routing.heartbeats and any(routing.route(alert.labels).heartbeat for alert in alerts)):
        return
    repeat = Repeat(
        subjects=tuple(told.subjects),
        marks={incident_id: tx.seen[incident_id].mark for incident_id in told.ids},
        routing=routing,
        ids=told.ids,
        source=notification.source,
        receiver=notification.receiver,
        external_url=notification.external_url,
        truncated=notification.truncated,
        alerts=len(alerts),
        firing=sum(alert.firing for alert in alerts),
    )
    tx.database.repeats.keep(told.post.source, told.post.body, repeat)
