"""The on-call page and the page of an incident."""

from datetime import timedelta
from pathlib import Path

import pytest

from alertrouter.web.rendering import spell
from browsing import SECTIONS, Seen, open_one, see, write_runbooks
from serving import KEYS, running


async def test_with_nothing_open_all_is_quiet(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        page = await see(router, "/")
    assert "All quiet No incident is open." in page.text
    assert {"http-equiv": "refresh", "content": "15"} in [attrs for tag, attrs in page.tags if tag == "meta"]
    for absent in ("Recently resolved", "could not be read", "PagerDuty"):
        assert absent not in page.text


async def test_open_incidents_are_shown_most_urgent_first_with_what_is_next(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        warning = await open_one(router, "Warned", "warning")
        young = await open_one(router, "DatabaseDown")
        router.clock.pass_(minutes=3)
        held = await open_one(router, "Over", "info")
        await open_one(router, "Over", "info", firing=False)
        younger = await open_one(router, "HighErrorRate", truncated=2)
        await router.http.post(f"/incidents/{warning}/acknowledge", data={"by": "Ana"})
        page = await see(router, "/")
    links = [link for link in page.all("a", "href") if link.startswith("/incidents/")]
    assert links == [f"/incidents/{one}" for one in (young, younger, warning, held)]
    assert "4 open incidents" in page.text
    assert "nobody has it yet open for 0 s · 1 firing · oncall Next: engineering in 15 min" in page.text
    assert "Alertmanager left out 2 more alerts." in page.text
    assert "acknowledged by Ana no runbook open for 3 min · 1 firing · oncall Every" not in page.text
    assert "0 firing, 1 resolved · oncall Every alert is resolved; closes in 1 min unless one fires again" in page.text


async def test_what_is_over_or_could_not_be_read_or_sent_is_shown_below(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        over = await open_one(router, "DatabaseDown")
        await router.settled()
        router.clock.pass_(minutes=9)
        await router.http.post(f"/incidents/{over}/resolve", data={"by": "Bia"})
        await router.post({"groupKey": "g", "alerts": [{"status": "burning", "labels": {}, "startsAt": "2026-11-23T03:00:00Z"}]})
        await router.settled()
        await router.pagerduty.post("/faults", json={"mode": "400", "count": 2, "routing_key": KEYS["oncall"]})
        refused = await open_one(router, "Refused")
        await router.settled()
        await router.pagerduty.post("/faults", json={"mode": "500", "count": 100})
        waiting = await open_one(router, "Waiting")
        await router.settled()
        early = await see(router, "/")
        router.clock.pass_(minutes=3)
        page = await see(router, "/")
    assert "resolved by Bia" in page.text
    assert "Alerts that could not be read Invalid enum value 'burning'" in page.text
    assert "PagerDuty refused 1 event What was refused is not sent again." in page.text
    assert "has not got" not in early.text
    assert "PagerDuty has not got 1 event yet trigger to oncall owed for 3 min" in page.text
    links = [link.removeprefix("/incidents/") for link in page.all("a", "href") if link.startswith("/incidents/")]
    assert {*links[:2]} == {refused, waiting}
    assert links[2:] == [refused, waiting, over]


async def test_an_incident_shows_its_runbook_with_the_commands_filled_in(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": SECTIONS})
        incident = await open_one(router, "HighErrorRate", labels={"namespace": "x; rm -rf /"})
        html = (await router.http.get(f"/incidents/{incident}")).text
    page = Seen(html)
    assert """<code>kubectl logs -n <mark class="filled">'x; rm -rf /'</mark> deploy/<mark class="missing">""" in html
    assert "/runbooks/a.md#higherrorrate-1" in page.all("a", "href")
    assert page.text.count("HighErrorRate") >= 3
    assert "Next: engineering in 15 min" in page.text
    assert "engineering 15 min after the opening, unless acknowledged next: in 15 min, 2026-11-23 03:15:00 UTC" in page.text
    assert "From a.md:14" in page.text
    assert "Opened by HighErrorRate" in page.text
    assert {"http://127.0.0.1:9090/graph", "http://127.0.0.1:9093"} <= set(page.all("a", "href"))


async def test_each_kind_of_alert_in_an_incident_has_its_runbook_or_how_to_add_one(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": SECTIONS})
        incident = await open_one(router, "Unwritten", "warning", group="g")
        await open_one(router, "DatabaseDown", "error", group="g")
        await open_one(router, "HighErrorRate", "critical", group="g", labels={"error_type": "llm"})
        await open_one(router, "HighErrorRate", "error", group="g", labels={"error_type": "llm"})
        await open_one(router, None, "info", group="g")
        page = await see(router, f"/incidents/{incident}")
    titles = ['HighErrorRate {error_type="llm"} Runbook a.md', "DatabaseDown Runbook a.md", "No runbook for Unwritten"]
    places = [page.text.find(title) for title in [*titles, "No runbook The alert has no alertname"]]
    assert -1 not in places
    assert places == sorted(places)
    assert page.text.count("Runbook a.md") == 2
    assert (
        "Add a heading ### Unwritten to a file in the runbooks folder, or let alertrouter runbooks new Unwritten write"
        in page.text
    )
    assert "/runbooks/deploy.md#voltar" in page.all("a", "href")
    assert "/runbooks/a.md#higherrorrate-1" in page.all("a", "href")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SemRegra", True),  # a section that states nothing
        ("DatabaseDown", False),  # one that does
        ("Unwritten", False),  # no section: the page says so already
    ],
)
async def test_an_escalation_that_the_runbook_does_not_state_is_called_so(
    name: str, said: bool, url: str, tmp_path: Path
) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": SECTIONS})
        page = await see(router, f"/incidents/{await open_one(router, name)}")
    assert ("Escalation not stated in the runbook. The default applies." in page.text) is said


@pytest.mark.parametrize(
    ("name", "action", "fate"),
    [
        ("HighErrorRate", "snooze", "unless acknowledged next: in 1 h, 2026-11-23 04:00:00 UTC"),
        ("HighErrorRate", "acknowledge", "unless acknowledged stopped by the acknowledgement"),
        ("Persistente", "acknowledge", "unless resolved next: in 15 min"),  # an acknowledgement does not stop it
        ("HighErrorRate", "resolve", "unless acknowledged not needed"),
        ("HighErrorRate", "escalate", "unless acknowledged paged"),
        ("DatabaseDown", "acknowledge", "dba at once paged"),  # it was, when the incident opened
    ],
)
async def test_the_page_says_what_became_of_an_escalation_step(
    name: str, action: str, fate: str, url: str, tmp_path: Path
) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": SECTIONS})
        incident = await open_one(router, name)
        assert (await router.http.post(f"/incidents/{incident}/{action}", data={"for": "1h"})).status_code == 303
        assert fate in (await see(router, f"/incidents/{incident}")).text


@pytest.mark.parametrize("path", ["nope", "%00", "a%2Fb", "-", "%F0%9F%92%A9"])
async def test_an_incident_that_is_none_is_a_page_that_says_so(path: str, database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        get = await router.http.get(f"/incidents/{path}")
        post = await router.http.post(f"/incidents/{path}/resolve")
    assert (get.status_code, post.status_code) == (404, 404)


async def test_a_database_that_is_gone_is_a_page_and_the_runbooks_can_be_read(postgres: str, tmp_path: Path) -> None:
    import psycopg

    name = "goes_away_from_the_pages"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
        async with running(postgres.replace("/postgres?", f"/{name}?"), tmp_path) as router:
            incident = await open_one(router, "HighErrorRate")
            await see(router, f"/incidents/{incident}")
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            for path in ("/", f"/incidents/{incident}"):
                page = await see(router, path, 503)
                assert "The database does not answer just now." in page.text
                assert "/runbooks" in page.all("a", "href")
                assert "refresh" in page.all("meta", "http-equiv")
            pressed = await router.http.post(f"/incidents/{incident}/resolve")
            assert (pressed.status_code, "Nothing was done" in pressed.text) == (503, True)
            assert "refresh" not in Seen(pressed.text).all("meta", "http-equiv")  # it would look as if it were pressed again
            await see(router, "/runbooks/servico.md")
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            await see(router, f"/incidents/{incident}")
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("duration", "said"),
    [
        (timedelta(seconds=-5), "0 s"),  # due, and not taken yet
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(hours=2, minutes=5, seconds=9), "2 h 5 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=3, hours=4, minutes=5), "3 d 4 h"),
        (timedelta(days=3, minutes=5), "3 d"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(duration: timedelta, said: str) -> None:
    assert spell(duration) == said


async def test_a_runbook_that_has_changed_since_says_so_and_shows_how(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": "# A\n\n### DiskFull\nLook <here>.\n\nThen there.\n"})
        incident = await open_one(router, "DiskFull")
        assert "has changed since" not in (await see(router, f"/incidents/{incident}")).text
        (tmp_path / "runbooks" / "a.md").write_text("# A\n\nNew words above.\n\n### DiskFull\nLook <where>.\n\nThen there.\n")
        router.service.library.load()
        page = await see(router, f"/incidents/{incident}")
        assert "The runbook has changed since − Look <here>. + Look <where>. Then there." in page.text
        assert "Look <here>." in page.text.partition("as it was when the alert came")[2]
        (tmp_path / "runbooks" / "a.md").write_text("# A\n\nNothing.\n")
        router.service.library.load()
        assert "This section is not in the runbooks any more." in (await see(router, f"/incidents/{incident}")).text


async def test_an_escalation_that_cannot_be_read_is_told_on_the_page_and_in_the_event(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": "### DiskFull\nLook.\n\n**Escalation**: whenever it suits\n"})
        incident = await open_one(router, "DiskFull")
        page = await see(router, f"/incidents/{incident}")
        assert "The runbook's escalation cannot be read (a.md:4). The default applies." in page.text
        [event] = await router.settled()
        assert event["payload"]["custom_details"]["4 Escalation"] == (
            "oncall in 15m unless acknowledged (default; a.md:4 cannot be read)"
        )
