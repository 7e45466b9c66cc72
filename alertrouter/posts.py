"""What is posted by Alertmanager: bodies that repeat what is known are counted, and the others are read and decided on.

A body is a repeat by what is known of it (`alertrouter.store.repeats`) and by the rows of its incidents, which this transaction
has read and locked: nothing is taken for a repeat on memory alone.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from alertrouter import intake, telemetry
from alertrouter.alertmanager import Notification, parse
from alertrouter.intake import Arrival, subjects_of
from alertrouter.moments import to_micros
from alertrouter.planning import Playbook
from alertrouter.store import codec, incidents
from alertrouter.store.database import Database, Transaction
from alertrouter.store.recent import Known, Row
from alertrouter.store.repeats import Repeat


@dataclass(frozen=True, slots=True)
class Post:
    """A body that was posted, by whom, and what routing and the runbooks said then; `trace` is its context, if it is traced.

    `told` is what it says, or what is known of it where such a body told nothing new when it came last.
    """

    body: bytes
    source: str
    playbook: Playbook
    trace: str
    told: Notification | Repeat

    def read(self) -> Notification:
        """What the body says."""
        return parse(self.body, self.source) if isinstance(self.told, Repeat) else self.told

    def subjects(self) -> Collection[str]:
        """All that it may be about."""
        return self.told.subjects if isinstance(self.told, Repeat) else frozenset(subjects_of(self.told))


def take(tx: Transaction, posts: Sequence[Post]) -> list[list[str]]:
    """Count and write many posts; for each, the ids of the incidents that it belongs to."""
    subjects = [post.subjects() for post in posts]
    rows = incidents.latest_rows(tx, set().union(*subjects))
    tx.check_in_time()
    incidents.see(tx, rows)
    repeats = _that_hold(tx, posts, subjects, rows)
    if repeats:
        _count(tx, repeats.values())
    answers = {place: repeat.ids for place, repeat in repeats.items()}
    if news := [place for place in range(len(posts)) if place not in repeats]:
        counted = {incident_id for repeat in repeats.values() for incident_id in repeat.marks}
        others = [row for row in rows if row[0] not in counted]
        before = {row[0]: tx.seen[row[0]] for row in others}
        arrivals = [Arrival(posts[place].read(), posts[place].playbook, posts[place].trace) for place in news]
        answers |= zip(news, intake.receive(tx, arrivals, others), strict=True)
        read = [
            _Read(posts[place], one.notification, subjects[place], answers[place])
            for place, one in zip(news, arrivals, strict=True)
        ]
        tx.after_commit.append(partial(_learn, tx.database, tx.seen, read, before))
    return [answers[place] for place in range(len(posts))]


def _that_hold(
    tx: Transaction, posts: Sequence[Post], subjects: Sequence[Collection[str]], rows: Sequence[Row]
) -> dict[int, Repeat]:
    """The repeats by their place; none that is about anything that a post which is read is about, too."""
    by_id, by_subject = {row[0]: row for row in rows}, _by_subject(rows)
    repeats = {
        place: post.told
        for place, post in enumerate(posts)
        if isinstance(post.told, Repeat)
        and post.told.marks.keys() == _all_of(by_subject, post.told.subjects)
        and post.told.holds(by_id, tx.database.recent, post.playbook.routing, to_micros(tx.now))
    }
    read = set().union(*(about for place, about in enumerate(subjects) if place not in repeats))
    while touched := [place for place, repeat in repeats.items() if not read.isdisjoint(repeat.subjects)]:
        for place in touched:
            read.update(repeats.pop(place).subjects)
    return repeats


def _by_subject(rows: Iterable[Row]) -> dict[str, list[str]]:
    """The ids of incidents by their subject."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(codec.subject_of(row), []).append(row[0])
    return found


def _all_of(by_subject: Mapping[str, Sequence[str]], subjects: Iterable[str]) -> set[str]:
    return {incident_id for subject in subjects for incident_id in by_subject.get(subject, ())}


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
class _Read:
    """A post that was read and decided on, all that it may be about, and the incidents that it belongs to."""

    post: Post
    notification: Notification
    subjects: Collection[str]
    ids: list[str]


def _learn(database: Database, seen: Mapping[str, Known], read: Sequence[_Read], before: Mapping[str, Known]) -> None:
    """Know from now on the bodies that told nothing new; `before` are the incidents of their subjects as they were found, `seen`
    as they are now.
    """
    by_subject = _by_subject(known.row for known in before.values())
    for one in read:
        theirs = _all_of(by_subject, one.subjects)
        if theirs == set(one.ids) and all(_is_as_before(seen[name], before[name]) for name in theirs) and _is_repeat(seen, one):
            database.repeats.keep(one.notification.source, one.post.body, _repeat(seen, one))
            for incident_id in one.ids:
                database.recent.let_go(incident_id)


def _is_as_before(known: Known, before: Known) -> bool:
    """Whether an incident was counted on and nothing else, and would be by the same body again.

    While something fires, no hold can end meanwhile.
    """
    if known.mark is not before.mark or known.state is None:
        return False
    return known.state.incident.is_open and known.state.incident.firing > 0


def _is_repeat(seen: Mapping[str, Known], read: _Read) -> bool:
    """Whether each of its alerts is a member of one of its incidents, and none is a heartbeat.

    An alert that nobody knows and that does not fire means nothing today; tomorrow another body may have opened its incident.
    """
    routing, notification = read.post.playbook.routing, read.notification
    members = [state.members for name in read.ids if (state := seen[name].state)]
    is_known = all(any(alert.fingerprint in known for known in members) for alert in notification.alerts)
    if not is_known or notification.unreadable:
        return False
    return not (routing.heartbeats and any(routing.route(alert.labels).heartbeat for alert in notification.alerts))


def _repeat(seen: Mapping[str, Known], read: _Read) -> Repeat:
    notification = read.notification
    return Repeat(
        subjects=tuple(read.subjects),
        marks={incident_id: seen[incident_id].mark for incident_id in read.ids},
        routing=read.post.playbook.routing,
        ids=read.ids,
        source=notification.source,
        receiver=notification.receiver,
        external_url=notification.external_url,
        truncated=notification.truncated,
        alerts=len(notification.alerts),
        firing=sum(alert.firing for alert in notification.alerts),
    )
