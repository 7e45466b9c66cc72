"""What wakes people, added up."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alertrouter.report import Episode, monday_of, mondays_until, report
from browsing import body, open_one, see
from serving import running

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
ONE = Episode("A", AT, None, None, by_person=False, pages=1, escalations=0)
WEEK = [date(2026, 11, 23)]


def after(**duration: float) -> datetime:
    return AT + timedelta(**duration)


def test_times_are_the_nearest_rank_of_those_that_there_were() -> None:
    some = [replace(ONE, acknowledged_at=after(minutes=minutes)) for minutes in range(1, 11)] + [ONE]
    total = report(some, WEEK, UTC).total
    assert (total.acknowledge_median, total.acknowledge_p90) == (300, 540)
    assert (total.resolve_median, total.resolve_p90) == (None, None)


@pytest.mark.parametrize(
    ("episode", "is_noise"),
    [
        (replace(ONE, resolved_at=after(minutes=5)), 1),
        (replace(ONE, resolved_at=after(minutes=5, seconds=1)), 0),
        (replace(ONE, resolved_at=after(minutes=1), by_person=True), 0),
        (replace(ONE, resolved_at=after(minutes=3), acknowledged_at=after(minutes=1)), 0),
        (replace(ONE, resolved_at=after(minutes=1), pages=0), 0),  # it woke nobody
        (ONE, 0),
    ],
)
def test_noise_is_what_paged_and_went_away_by_itself_in_minutes(episode: Episode, is_noise: int) -> None:
    assert report([episode], WEEK, UTC).total.noise == is_noise


@pytest.mark.parametrize(
    ("hour_utc", "in_utc", "in_sao_paulo"),
    [(0, 2, 0), (1, 2, 2), (6, 2, 2), (7, 0, 2), (9, 0, 2), (10, 0, 0), (21, 0, 0), (22, 2, 0)],
)
def test_the_night_is_that_of_the_zone(hour_utc: int, in_utc: int, in_sao_paulo: int) -> None:
    some = [replace(ONE, opened_at=AT.replace(day=24, hour=hour_utc), pages=2)]
    assert report(some, WEEK, UTC).total.pages_at_night == in_utc
    assert report(some, WEEK, SAO_PAULO).total.pages_at_night == in_sao_paulo


def test_a_week_begins_on_the_monday_of_the_zone() -> None:
    late_on_sunday = replace(ONE, opened_at=datetime(2026, 11, 23, 2, 0, tzinfo=UTC))
    mondays = mondays_until(date(2026, 11, 29), 2)
    assert mondays == [date(2026, 11, 16), date(2026, 11, 23)]
    assert [week for week, one in report([late_on_sunday], mondays, UTC).weeks if one.incidents] == [mondays[1]]
    assert [week for week, one in report([late_on_sunday], mondays, SAO_PAULO).weeks if one.incidents] == [mondays[0]]
    assert monday_of(date(2026, 11, 22)) == date(2026, 11, 16)


def test_alerts_that_page_most_come_first_and_other_weeks_do_not_count() -> None:
    some = [ONE, replace(ONE, alertname="B", pages=3, escalations=2), replace(ONE, opened_at=AT - timedelta(days=7))]
    found = report(some, WEEK, UTC)
    assert [(name, one.pages, one.escalations) for name, one in found.alerts] == [("B", 3, 2), ("A", 1, 0)]
    assert (found.total.incidents, found.total.pages) == (2, 4)


async def test_the_report_is_a_page_pictures_csv_and_json(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        router.clock.pass_(days=-8)
        await open_one(router, "Old")
        await router.settled()
        router.clock.pass_(days=8)
        first = await open_one(router, "HighErrorRate")
        await open_one(router, "=cmd()")
        await router.post(body("HighErrorRate", group="other"))
        await router.settled()
        router.clock.pass_(minutes=10)
        await router.http.post(f"/incidents/{first}/acknowledge", data={"by": "Ana"})
        await router.post({**body("HighErrorRate"), "alerts": body("HighErrorRate", labels={"new": "one"})["alerts"]})
        router.clock.pass_(minutes=10)
        await router.http.post(f"/incidents/{first}/resolve")
        await router.settled()
        page = await see(router, "/report?weeks=1")
        assert "HighErrorRate" in page.text
        assert "Old" not in page.text
        assert "10 min" in page.text
        for picture in page.all("img", "src"):
            answer = await router.http.get(picture)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
            assert b"<script" not in answer.content
        drawn = (await router.http.get("/report/weeks.svg?weeks=1", headers={"Accept-Language": "pt-BR"})).text
        assert "<title>Chamados por semana</title><desc>23 nov: 0 de dia, " in drawn
        assert "@media (prefers-color-scheme:dark){text{fill:#e7e5e1 !important}" in drawn
        told = (await router.http.get("/report.json?weeks=3&zone=America/Sao_Paulo")).json()
        assert told["alerts"][0]["alertname"] == "HighErrorRate"
        assert told["alerts"][0]["acknowledge_median"] == 600
        assert sum(one["incidents"] for one in told["weeks"]) == told["total"]["incidents"] == 4
        lines = (await router.http.get("/report.csv?weeks=2")).text.splitlines()
        assert lines[0].startswith("by,name,incidents,pages,pages_at_night")
        assert any(line.startswith("alert,'=cmd(),1,2,2,1") for line in lines)
        assert (await router.http.get("/report?zone=Mars")).status_code == 400
        assert (await router.http.get("/report.json?weeks=0")).status_code == 400


async def test_a_report_of_nothing_says_so(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        page = await see(router, "/report")
        picture = await router.http.get("/report/weeks.svg")
    assert "0 incidents, 0 pages" in page.text
    assert picture.status_code == 200
