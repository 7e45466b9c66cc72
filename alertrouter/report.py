"""Which alerts wake people, and how often: PURE."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

NIGHT = (22, 7)
"""From this hour on, and before that one, somebody sleeps."""
NOISE_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Episode:
    """An incident as the report needs it.

    `acknowledged_at` is when somebody first took it. `pages` counts the times that somebody's phone rang, `escalations` those by
    steps.
    """

    alertname: str
    opened_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    by_person: bool
    pages: int
    escalations: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What a number of incidents have cost. Times are seconds; None where nothing was acknowledged, or resolved."""

    incidents: int
    pages: int
    pages_at_night: int
    escalations: int
    noise: int
    acknowledge_median: float | None
    acknowledge_p90: float | None
    resolve_median: float | None
    resolve_p90: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of all, of each week by its Monday, oldest first, and of each alert name, those that page most first."""

    total: Figures
    weeks: Sequence[tuple[date, Figures]]
    alerts: Sequence[tuple[str, Figures]]


def report(episodes: Iterable[Episode], mondays: Sequence[date], zone: tzinfo) -> Report:
    """The figures of incidents that opened in these weeks, by the calendar and the nights of `zone`."""
    of_weeks: dict[date, list[Episode]] = {monday: [] for monday in mondays}
    of_alerts: dict[str, list[Episode]] = defaultdict(list)
    for episode in episodes:
        week = monday_of(episode.opened_at.astimezone(zone).date())
        if week in of_weeks:
            of_weeks[week].append(episode)
            of_alerts[episode.alertname].append(episode)
    alerts = [(name, figures(some, zone)) for name, some in of_alerts.items()]
    return Report(
        figures([one for some in of_weeks.values() for one in some], zone),
        [(week, figures(some, zone)) for week, some in of_weeks.items()],
        sorted(alerts, key=lambda one: (-one[1].pages, -one[1].incidents, one[0])),
    )


def mondays_until(today: date, weeks: int) -> list[date]:
    """The Mondays of so many weeks, the last one that of today."""
    last = monday_of(today)
    return [last - timedelta(weeks=back) for back in reversed(range(weeks))]


def monday_of(day: date) -> date:
    """The Monday of its week."""
    return day - timedelta(days=day.weekday())


def figures(episodes: Sequence[Episode], zone: tzinfo) -> Figures:
    """Add up. A page counts for the night when its incident opened at night."""
    acknowledged = [one.acknowledged_at - one.opened_at for one in episodes if one.acknowledged_at]
    resolved = [one.resolved_at - one.opened_at for one in episodes if one.resolved_at]
    return Figures(
        len(episodes),
        sum(one.pages for one in episodes),
        sum(one.pages for one in episodes if _is_night(one.opened_at.astimezone(zone))),
        sum(one.escalations for one in episodes),
        sum(_is_noise(one) for one in episodes),
        _percentile(acknowledged, 0.5),
        _percentile(acknowledged, 0.9),
        _percentile(resolved, 0.5),
        _percentile(resolved, 0.9),
    )


def _is_night(moment: datetime) -> bool:
    return moment.hour >= NIGHT[0] or moment.hour < NIGHT[1]


def _is_noise(one: Episode) -> bool:
    """It paged, and went away in minutes without anybody doing anything."""
    if one.resolved_at is None or one.acknowledged_at or one.by_person or not one.pages:
        return False
    return one.resolved_at - one.opened_at <= NOISE_WITHIN


def _percentile(durations: Sequence[timedelta], part: float) -> float | None:
    """The nearest rank: a duration that there was."""
    if not durations:
        return None
    return sorted(durations)[math.ceil(part * len(durations)) - 1].total_seconds()
