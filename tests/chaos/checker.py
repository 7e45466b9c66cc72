"""Whether the promises of DESIGN §4 were kept: PURE, from what was accepted with 2xx and what PagerDuty ended with."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from chaos.plan import HOLD_SECONDS, STEP_SECONDS, Story

SLACK = 0.05
"""Of two clocks that are read one after the other, in seconds."""
PATIENCE = 60.0
"""An incident that is open for so long is paged, and its step taken, whatever broke meanwhile; in seconds."""


@dataclass(frozen=True, slots=True)
class Told:
    """A notification or an acknowledgement that was accepted: first tried at `asked_at`, answered with 2xx at `answered_at`.

    `ids` are the incidents of the answers, one for each of the peers that sent it. Moments are seconds of the world's clock.
    """

    group: str
    firing: tuple[str, ...]
    resolved: tuple[str, ...]
    asked_at: float
    answered_at: float
    ids: tuple[str, ...]
    tries: int = 1

    @property
    def is_end(self) -> bool:
        return bool(self.resolved) and not self.firing

    @property
    def is_acknowledgement(self) -> bool:
        return not self.resolved and not self.firing


@dataclass(frozen=True, slots=True)
class Heard:
    """An event that PagerDuty took, with whatever answer; `to` tells the integration from others."""

    at: float
    action: str
    key: str
    to: str = "oncall"


@dataclass(frozen=True, slots=True)
class Owed:
    """A row of the outbox at the end."""

    key: str
    action: str
    state: str
    attempts: int


@dataclass(frozen=True)
class History:
    """All that happened. `clock` is how far the clock that decides what is due was from the world's, from each moment on."""

    stories: Sequence[Story]
    told: Sequence[Told]
    heard: Sequence[Heard]
    owed: Sequence[Owed]
    clock: Sequence[tuple[float, float]] = ()
    faults: Mapping[str, int] = field(default_factory=dict)
    refusals: Sequence[float] = ()
    """How many seconds each 503 took."""

    @cached_property
    def by_group(self) -> dict[str, list[Told]]:
        found = defaultdict(list)
        for one in self.told:
            found[one.group].append(one)
        return found

    @cached_property
    def openings(self) -> dict[str, list[float]]:
        """When each key was opened in PagerDuty: a trigger opens what is not open."""
        found: dict[str, list[float]] = defaultdict(list)
        is_open: set[str] = set()
        for event in self.heard:
            if event.action == "trigger" and event.key not in is_open:
                found[event.key].append(event.at)
                is_open.add(event.key)
            elif event.action == "resolve":
                is_open.discard(event.key)
        return found

    @cached_property
    def still_open(self) -> set[str]:
        last = {event.key: event.action for event in self.heard if event.action != "acknowledge"}
        return {key for key, action in last.items() if action == "trigger"}

    @cached_property
    def closings(self) -> dict[str, float]:
        """When each key was resolved in PagerDuty first."""
        return {event.key: event.at for event in reversed(self.heard) if event.action == "resolve"}

    def drift(self, since: float, until: float) -> float:
        """How far the clock may have been set forward between two moments."""
        before = [offset for at, offset in self.clock if at <= since][-1:] or [0.0]
        offsets = before + [offset for at, offset in self.clock if since < at <= until]
        return max(offsets) - min(offsets)


@dataclass(frozen=True, slots=True)
class Report:
    """What was found; no line in `broken` means that every promise was kept."""

    broken: list[str]
    episodes: int
    superseded: int
    """Episodes that were over before the first attempt to page (DESIGN §4.4)."""
    lost: int
    """Episodes that were over before an attempt got through."""
    lateness: dict[str, list[float]]


def check(history: History) -> Report:
    """Hold the record against what PagerDuty ended with."""
    stories = {story.group: story for story in history.stories}
    episodes = [one for group, told in history.by_group.items() for one in _episodes(stories[group], told)]
    broken = [*_outbox(history), *_pagerduty(history, episodes), *_untold(history)]
    superseded = lost = 0
    rows = {one.key: one for one in history.owed if one.action == "trigger"}
    for episode in episodes:
        broken += _episode(history, episode, rows)
        page = rows.get(episode.id)
        superseded += not history.openings.get(episode.id) and page is not None and not page.attempts
        lost += not history.openings.get(episode.id) and page is not None and page.attempts > 0
    for told in history.by_group.values():
        broken += _successions(history, stories[told[0].group], told)
    return Report(broken, len(episodes), superseded, lost, _lateness(history, episodes))


@dataclass(frozen=True, slots=True)
class Episode:
    """One incident as its sender saw it: all that was told under its id."""

    id: str
    story: Story
    told: list[Told]

    @property
    def first(self) -> Told:
        return self.told[0]

    @property
    def ends(self) -> list[Told]:
        return [one for one in self.told if one.is_end]

    @property
    def joined(self) -> Told | None:
        """The notification that brought a new alert to an acknowledged incident."""
        is_acknowledged = False
        for one in self.told:
            if is_acknowledged and one.firing:
                return one
            is_acknowledged = is_acknowledged or one.is_acknowledgement
        return None

    @property
    def keys(self) -> set[str]:
        """The keys that may be paged for it."""
        keys = {self.id}
        if self.story.alert == "HighErrorRate":
            keys |= {f"{self.id}/e1"}
        if self.joined:
            keys |= {f"{self.id}/2"}
            keys |= {f"{self.id}/e1.2"} if f"{self.id}/e1" in keys else set()
        return keys


def _episodes(story: Story, told: Sequence[Told]) -> list[Episode]:
    names = dict.fromkeys(name for one in told for name in one.ids)
    return [Episode(name, story, [one for one in told if name in one.ids]) for name in names]


def _outbox(history: History) -> Iterator[str]:
    for one in history.owed:
        opened = len(history.openings.get(one.key, ()))
        if one.state not in {"sent", "superseded"}:
            yield f"{one.key}: its {one.action} is {one.state} at the end"
        elif one.action == "trigger" and one.state == "sent" and not opened:
            yield f"{one.key}: is marked as sent, and PagerDuty has not got it"
        elif one.action == "trigger" and one.state == "superseded" and not one.attempts and opened:
            yield f"{one.key}: is marked as never attempted, and PagerDuty has got it"


def _pagerduty(history: History, episodes: Sequence[Episode]) -> Iterator[str]:
    allowed = {key for episode in episodes for key in episode.keys}
    for key, opened in history.openings.items():
        if len(opened) > 1:
            yield f"{key}: was opened {len(opened)} times"
        if key not in allowed:
            yield f"{key}: was paged, and nothing that was accepted asks for it"
    for key in history.still_open:
        yield f"{key}: is still open"
    places: dict[str, set[str]] = defaultdict(set)
    for event in history.heard:
        places[event.key].add(event.to)
    for key, where in places.items():
        if len(where) > 1:
            yield f"{key}: went to several integrations, {', '.join(sorted(where))}"
        elif "/e" in key and where == places.get(key.partition("/")[0]):
            yield f"{key}: went to where the incident itself is paged"
    over: set[str] = set()
    for event in history.heard:
        if event.action == "resolve":
            over.add(event.key)
        elif event.key in over:
            yield f"{event.key}: its {event.action} came after its resolve"


def _untold(history: History) -> Iterator[str]:
    for story in history.stories:
        told = len(history.by_group.get(story.group, ()))
        if told != len(story.acts):
            yield f"{story.group}: {told} of {len(story.acts)} acts were accepted"


def _episode(history: History, episode: Episode, rows: Mapping[str, Owed]) -> Iterator[str]:
    page = rows.get(episode.id)
    stayed = max((one.asked_at for one in episode.ends), default=float("inf")) - episode.first.answered_at
    if page is None:
        yield f"{episode.id}: was accepted and nothing is owed for it"
    elif not history.openings.get(episode.id) and stayed > PATIENCE:
        yield f"{episode.id}: was accepted, open for {stayed:.0f} s, tried {page.attempts} times and never paged"
    if not episode.ends:
        yield f"{episode.id}: no end was accepted for it"
    if episode.joined and f"{episode.id}/2" not in rows:
        yield f"{episode.id}: a new alert in an acknowledged incident did not page again"
    yield from _hold(history, episode)
    yield from _steps(history, episode, rows, stayed)


def _hold(history: History, episode: Episode) -> Iterator[str]:
    """What still fires, or may again, is not resolved."""
    ended = max((one.asked_at for one in episode.ends), default=float("inf"))
    for key in sorted(episode.keys & history.closings.keys()):
        at = history.closings[key]
        if at - ended + history.drift(ended, at) < HOLD_SECONDS - SLACK:
            yield f"{key}: was resolved {at - ended:.2f} s after its end was first told, {HOLD_SECONDS} are asked for"


def _steps(history: History, episode: Episode, rows: Mapping[str, Owed], stayed: float) -> Iterator[str]:
    key = f"{episode.id}/e1"
    if episode.story.alert != "HighErrorRate":
        return
    for name, since in ((key, episode.first), (f"{key}.2", episode.joined)):
        for at in history.openings.get(name, ()):
            if since and at - since.asked_at + history.drift(since.asked_at, at) < STEP_SECONDS - SLACK:
                yield f"{name}: came {at - since.asked_at:.2f} s after it was first told, {STEP_SECONDS} are asked for"
    if stayed > STEP_SECONDS + PATIENCE and key not in rows:
        yield f"{key}: was not taken in {stayed:.0f} s"
    elif stayed > STEP_SECONDS + PATIENCE and not history.openings.get(key):
        yield f"{key}: was taken and did not page in {stayed:.0f} s"


def _successions(history: History, story: Story, told: Sequence[Told]) -> Iterator[str]:
    """A new incident opens after the hold, and not before."""
    for before, after in pairwise(told):
        ids = {*before.ids, *after.ids}
        may_have_passed = after.answered_at - before.asked_at + history.drift(before.asked_at, after.answered_at)
        has_passed = after.asked_at - before.answered_at - history.drift(before.asked_at, after.answered_at)
        is_new_start = before.is_end and bool(after.firing)
        if len(ids) > 1 and not (is_new_start and may_have_passed >= HOLD_SECONDS - SLACK):
            yield f"{story.group}: one episode has several incidents, {', '.join(sorted(ids))}"
        if len(ids) == 1 and is_new_start and has_passed > HOLD_SECONDS + SLACK:
            yield f"{story.group}: {after.ids[0]} was over, and its next episode opened no incident"


def _lateness(history: History, episodes: Sequence[Episode]) -> dict[str, list[float]]:
    """Seconds from when something was accepted, or fell due, to when PagerDuty had it."""
    late: dict[str, list[float]] = {"page": [], "step": [], "resolve": []}
    for episode in episodes:
        opened, first = history.openings.get(episode.id), episode.first.answered_at
        if opened:
            late["page"].append(max(opened[0] - first, 0))
        for at in history.openings.get(f"{episode.id}/e1", ()):
            late["step"].append(max(at - first - STEP_SECONDS, 0))
        if episode.ends and episode.id in history.closings:
            late["resolve"].append(max(history.closings[episode.id] - episode.ends[-1].answered_at - HOLD_SECONDS, 0))
    return {what: sorted(seconds) for what, seconds in late.items()}


def told(history: History, report: Report, seed: int) -> str:
    """The report for people."""
    faults = ", ".join(f"{number} × {kind}" for kind, number in sorted(Counter(history.faults).items()))
    lines = [
        f"seed {seed}: {report.episodes} episodes, {sum(history.faults.values())} faults ({faults})",
        f"{sum(one.tries for one in history.told)} requests for {len(history.told)} notifications and acknowledgements;"
        f" {len(history.refusals)} answers of 503, the slowest after {max(history.refusals, default=0):.1f} s",
        f"{report.superseded} episodes were over before the first attempt to page, {report.lost} before an attempt got through",
    ]
    for what, seconds in report.lateness.items():
        if seconds:
            marks = ", ".join(
                f"{name} {seconds[int(len(seconds) * part)]:.2f}" for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
            )
            lines.append(f"lateness of {len(seconds)} {what}s in seconds: {marks}, most {seconds[-1]:.2f}")
    lines += [f"{len(report.broken)} broken promises", *report.broken[:50]]
    return "\n".join(lines)
