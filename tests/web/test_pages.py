"""The pages: what they show, what their buttons do, and that whatever alerts and runbooks hold is shown as text."""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from serving import KEYS, Running, running

from alertrouter.alertmanager import fingerprint_of
from alertrouter.web.rendering import spell, web_link

SECTIONS = """---
title: O serviço
---
# Serviço

> ## HighErrorRate

## HighErrorRate {error_type="llm"}
Fale com o provedor: `curl -m 5 <llm_url>`, veja [o resto](#higherrorrate-1) e [deploy](deploy.md#voltar).

## HighErrorRate
1. `kubectl logs -n {{ labels.namespace }} deploy/<pod>`

**Escalação**: Se ninguém confirmar em 15min, escalar para engenharia

## DatabaseDown
**Escalação**: Imediata para DBA

## SemRegra
Sem escalação aqui: só a instalação elétrica.
"""
NASTY = "\"><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} ' &amp;"
NASTY_RUNBOOK = f"""# {NASTY}

## Nasty
<script>alert(3)</script>

[press](javascript:alert(4)) <img src=x onerror=alert(5)> `{{{{ labels.nasty }}}}` ![i](javascript:alert(6))

```"><script>
<x onload="alert(7)">
```
"""


class Seen(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._data: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self._data.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self._data).split())

    def all(self, tag: str, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for name, attrs in self.tags if name == tag and attribute in attrs]


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "pages.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


def body(name: str | None, severity: str = "critical", *, firing: bool = True, group: str = "", **given: Any) -> dict[str, Any]:
    labels = {"alertname": name, "severity": severity, "namespace": "prod", **given.get("labels", {})}
    labels = {label: value for label, value in labels.items() if value is not None}
    alert = {
        "status": "firing" if firing else "resolved",
        "labels": labels,
        "annotations": given.get("annotations", {"summary": "it burns"}),
        "startsAt": "2026-11-23T02:58:00Z",
        "endsAt": "0001-01-01T00:00:00Z" if firing else "2026-11-23T03:30:00Z",
        "generatorURL": given.get("generator", "http://127.0.0.1:9090/graph"),
        "fingerprint": fingerprint_of(labels),
    }
    return {
        "groupKey": group or str(name),
        "externalURL": given.get("external", "http://127.0.0.1:9093"),
        "truncatedAlerts": given.get("truncated", 0),
        "alerts": [alert],
    }


async def open_one(router: Running, *args: Any, **given: Any) -> str:
    """The id of the incident that a body opens or adds to."""
    [incident] = (await router.post(body(*args, **given))).json()["incidents"]
    return str(incident)


async def see(router: Running, path: str, status: int = 200) -> Seen:
    answer = await router.http.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Seen(answer.text)


def write_runbooks(router: Running, folder: Path, files: Mapping[str, str]) -> None:
    """Replace the sample runbooks, as a restart with other files would."""
    (folder / "runbooks" / "servico.md").unlink()
    for name, text in files.items():
        (folder / "runbooks" / name).write_text(text)
    library = router.service.library
    library.load()
    object.__setattr__(router.service.playbook, "index", library.index)


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
    assert "PagerDuty refused 1 event It is not sent again." in page.text
    assert "has not got" not in early.text
    assert "PagerDuty has not got 1 event yet trigger to oncall owed for 3 min" in page.text
    links = [link.removeprefix("/incidents/") for link in page.all("a", "href") if link.startswith("/incidents/")]
    assert links == [refused, waiting, refused, waiting, over]


async def test_an_incident_shows_its_runbook_with_the_commands_filled_in(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": SECTIONS})
        incident = await open_one(router, "HighErrorRate", labels={"namespace": "x; rm -rf /"})
        html = (await router.http.get(f"/incidents/{incident}")).text
    page = Seen(html)
    assert """<code>kubectl logs -n <mark class="filled">&#x27;x; rm -rf /&#x27;</mark> deploy/<mark class="missing">""" in html
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
    assert "Add a heading ### Unwritten to a file in the runbooks folder." in page.text
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
    assert ("Escalation not stated in the runbook; the default applies." in page.text) is said


@pytest.mark.parametrize(
    ("name", "action", "fate"),
    [
        ("HighErrorRate", "snooze", "unless acknowledged next: in 1 h, 2026-11-23 04:00:00 UTC"),
        ("HighErrorRate", "acknowledge", "unless acknowledged stopped by the acknowledgement"),
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


@pytest.mark.parametrize(
    ("action", "form", "told"),
    [
        ("acknowledge", {"by": "Ana"}, "Acknowledged by Ana"),
        ("acknowledge", {}, "Acknowledged by somebody"),  # the name is optional
        ("resolve", {"by": " Bia\n\0 Reis "}, "resolved by Bia Reis"),
        ("escalate", {"by": "Ana"}, "Escalated to engineering by Ana (step 1)"),
        ("snooze", {"by": "Ana", "for": "15m"}, "Snoozed by Ana until"),
    ],
)
async def test_a_button_does_its_work_and_leads_back_to_the_page(
    action: str, form: dict[str, str], told: str, url: str, tmp_path: Path
) -> None:
    async with running(url, tmp_path) as router:
        incident = await open_one(router, "HighErrorRate")
        before = await see(router, f"/incidents/{incident}")
        buttons = {*before.all("button", "formaction"), *before.all("form", "action")}
        assert buttons == {f"/incidents/{incident}/{one}" for one in ("acknowledge", "snooze", "escalate", "resolve")}
        answer = await router.http.post(f"/incidents/{incident}/{action}", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/incidents/{incident}")
        assert told in (await see(router, answer.headers["location"])).text


@pytest.mark.parametrize(("action", "told"), [("acknowledge", "Acknowledged by Ana"), ("resolve", "Resolved: ")])
async def test_a_button_pressed_twice_does_its_work_once(action: str, told: str, url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        incident = await open_one(router, "HighErrorRate")
        for _ in range(2):
            assert (await router.http.post(f"/incidents/{incident}/{action}", data={"by": "Ana"})).status_code == 303
        assert (await see(router, f"/incidents/{incident}")).text.count(told) == 1
        sent = [event["event_action"] for event in await router.settled()]
    assert sent.count(action) <= 1


async def test_what_a_button_cannot_do_is_said_on_a_page_that_leads_back(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        incident = await open_one(router, "DatabaseDown")
        over = await open_one(router, "HighErrorRate")
        await router.http.post(f"/incidents/{over}/resolve")
        page = await see(router, f"/incidents/{over}")
        assert not page.all("form", "action")
        for path, content, status, text in [
            (f"{incident}/escalate", b"", 409, "Nothing was done: no step is left"),
            (f"{over}/snooze", b"for=15m", 409, "the incident is resolved"),
            (f"{incident}/snooze", b"for=soon", 400, "'soon' is not a duration"),
            (f"{incident}/snooze", b"", 400, "snooze wants"),
            (f"{incident}/resolve", b"a=b&" * 50, 400, "too many fields"),
            (f"{incident}/resolve", b"x" * 100_000, 413, "larger than"),
            ("nosuchincident/resolve", b"", 404, "There is no such incident."),
        ]:
            answer = await router.http.post(f"/incidents/{path}", content=content)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8"), path
            assert text in Seen(answer.text).text
            if status == 409:
                assert f"/incidents/{path.partition('/')[0]}" in Seen(answer.text).all("a", "href")
        assert "nobody has it yet" in (await see(router, f"/incidents/{incident}")).text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),  # no browser
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),  # a neighbour under the same domain
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://router.test"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.test"}, 303),  # the browser's own word comes first
        ({"Origin": "http://router.test"}, 303),  # a browser without Sec-Fetch-Site, or plain http
        ({"Origin": "http://ROUTER.test"}, 303),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "http://router.test:81"}, 403),
        ({"Origin": "http://router.test.evil.test"}, 403),
        ({"Origin": "null"}, 403),  # a sandboxed frame
        ({"Origin": "http://[x"}, 403),
    ],
)
async def test_a_button_on_another_site_is_refused(headers: dict[str, str], status: int, url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        incident = await open_one(router, "HighErrorRate")
        for action in ("acknowledge", "resolve"):
            answer = await router.http.post(f"/incidents/{incident}/{action}", headers=headers)
            assert answer.status_code == status
        shown = (await see(router, f"/incidents/{incident}")).text
    assert ("nobody has it yet" in shown) is (status == 403)


async def test_whatever_alerts_and_people_and_runbooks_hold_is_text_on_every_page(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"nasty.md": NASTY_RUNBOOK, 'q"><script>.md': "# Quoted"})
        evil = {
            "labels": {"nasty": NASTY, NASTY: "name"},
            "annotations": {"summary": NASTY, "runbook_url": "javascript:alert(8)", NASTY: " jAvascript:alert(9)"},
            "generator": "javascript:alert(10)",
            "external": "data:text/html,<script>alert(11)</script>",
        }
        known = await open_one(router, "Nasty", **evil)
        unknown = await open_one(router, NASTY, **evil)
        closed = await open_one(router, NASTY + "2", **evil)
        await router.http.post(f"/incidents/{known}/acknowledge", data={"by": NASTY})
        await router.http.post(f"/incidents/{closed}/resolve", data={"by": NASTY})
        bad = {"status": NASTY, "labels": {"alertname": NASTY}, "startsAt": "2026-11-23T03:00:00Z"}
        await router.post({"groupKey": NASTY, "alerts": [bad]})
        paths = [
            "/",
            *(f"/incidents/{one}" for one in (known, unknown, closed)),
            "/runbooks",
            "/runbooks/nasty.md",
            "/runbooks/q%22%3E%3Cscript%3E.md",
        ]
        answers = [await router.http.get(path) for path in paths]
        answers.append(await router.http.get("/runbooks", params={"q": NASTY}))
        absent = (f"/runbooks/{NASTY}", f"/runbooks/for/{NASTY}", "/incidents/" + NASTY.replace("/", ""))
        answers += [await router.http.get(httpx.URL("http://router.test", path=path)) for path in absent]
        answers.append(await router.http.post(f"/incidents/{known}/snooze", data={"for": NASTY}))
    assert [answer.status_code for answer in answers] == [200] * 8 + [404] * 3 + [400]
    for answer in answers:
        assert not list(_dangers(Seen(answer.text))), answer.url
        assert "49" not in Seen(answer.text).text.split()
    assert "<script>alert(1)</script>" in Seen(answers[1].text).text


def _dangers(page: Seen) -> Iterator[str]:
    """What a browser would run or load that is not the pages' own."""
    for tag, attrs in page.tags:
        if (tag == "script" and attrs.get("src") != "/static/alertrouter.js") or tag in {"img", "iframe", "object", "style", "x"}:
            yield tag
        for name, value in attrs.items():
            if name.startswith("on") or name == "style":
                yield f"{tag} {name}"
            if name in {"href", "src", "action", "formaction"} and urlsplit(value or "").scheme not in {"", "http", "https"}:
                yield f"{tag} {value}"


async def test_html_is_kept_to_itself_and_nothing_is_sniffed(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        pages = [await router.http.get(path) for path in ("/", "/runbooks", "/runbooks/servico.md", "/incidents/none")]
        others = [await router.http.get(path) for path in ("/api/v1/incidents", "/static/alertrouter.css", "/healthz")]
    for answer in pages:
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy == {
            "default-src": "'none'",
            "style-src": "'self'",
            "script-src": "'self'",
            "img-src": "'self'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
            "connect-src": "'self'",
        }
        assert answer.headers["referrer-policy"] == "same-origin"  # `no-referrer` would make our own forms look foreign
        page = Seen(answer.text)
        assert not [attrs for _, attrs in page.tags if "style" in attrs]  # the policy would ignore them
    assert [answer.status_code for answer in others] == [200] * 3
    assert all("content-security-policy" not in answer.headers for answer in others)
    assert {answer.headers["x-content-type-options"] for answer in pages + others} == {"nosniff"}


async def test_what_a_page_loads_is_there(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        page = await see(router, "/")
        for asset in page.all("link", "href") + page.all("script", "src"):
            assert (await router.http.get(asset)).status_code == 200


@pytest.mark.parametrize("path", ["nope", "%00", "a%2Fb", "-", "%F0%9F%92%A9"])
async def test_an_incident_that_is_none_is_a_page_that_says_so(path: str, database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        get = await router.http.get(f"/incidents/{path}")
        post = await router.http.post(f"/incidents/{path}/resolve")
    assert (get.status_code, post.status_code) == (404, 404)


async def test_the_runbooks_are_listed_with_their_headings_and_found_by_words_without_accents(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": SECTIONS, "deploy.md": "# Deploy\n\n## Voltar\nA versão anterior.\n"})

        async def found(query: str) -> list[str]:
            page = await see(router, f"/runbooks?q={query}")
            links = [link for link in page.all("a", "href") if link.startswith("/runbooks/")]
            return [link.removeprefix("/runbooks/") for link in links]

        assert await found("") == [
            "a.md",
            "a.md#servi%C3%A7o",
            "a.md#higherrorrate-error_typellm",
            "a.md#higherrorrate-1",
            "a.md#databasedown",
            "a.md#semregra",
            "deploy.md",
            "deploy.md#voltar",
        ]
        assert await found("VERSAO") == ["deploy.md", "deploy.md#voltar"]
        assert await found("eletrica") == ["a.md", "a.md#semregra"]  # the one that holds it, not those around it
        assert await found("databasedown") == ["a.md", "a.md#databasedown"]
        assert await found("zzz") == []
        assert "Nothing holds “zzz”." in (await see(router, "/runbooks?q=zzz")).text


async def test_without_runbooks_the_list_says_what_to_do_and_names_what_cannot_be_read(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {})
        assert "There are no runbooks yet" in (await see(router, "/runbooks")).text
        (tmp_path / "runbooks" / "latin.md").write_bytes(b"caf\xe9")
        router.service.library.load()
        assert "latin.md:1: not UTF-8" in (await see(router, "/runbooks")).text


async def test_a_file_is_shown_whole_and_its_sections_are_where_their_links_point(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": SECTIONS, "b.md": "Only text."})
        page = await see(router, "/runbooks/a.md")
        bare = await see(router, "/runbooks/b.md")
        missing = await see(router, "/runbooks/c.md", 404)
    ids = [attrs.get("id") for tag, attrs in page.tags if tag in {"h1", "h2"}]
    assert ids == ["serviço", None, "higherrorrate-error_typellm", "higherrorrate-1", "databasedown", "semregra"]
    assert {"/runbooks/a.md#higherrorrate-1", "/runbooks/deploy.md#voltar"} <= set(page.all("a", "href"))
    assert "title: O serviço" not in page.text
    assert [tag for tag, _ in bare.tags].count("h1") == 1
    assert "There is no file c.md" in missing.text


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("HighErrorRate", "a.md#higherrorrate-1"),
        ("higherrorrate", "a.md#higherrorrate-1"),
        ("HighErrorRate?label=error_type=llm&label=namespace=prod", "a.md#higherrorrate-error_typellm"),
        ("HighErrorRate?label=error_type=db", "a.md#higherrorrate-1"),
        ("HighErrorRate?label=nonsense&label==", "a.md#higherrorrate-1"),
        ("DatabaseDown?label=alertname=HighErrorRate", "a.md#databasedown"),  # the path names the alert
        ("WholeFile", "sub/WholeFile.md"),
    ],
)
async def test_an_alert_leads_to_its_section(path: str, place: str, url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        (tmp_path / "runbooks" / "sub").mkdir()
        write_runbooks(router, tmp_path, {"a.md": SECTIONS, "sub/WholeFile.md": "## Meaning\nIt burns.\n"})
        answer = await router.http.get(f"/runbooks/for/{path}")
    assert (answer.status_code, answer.headers["location"]) == (302, f"/runbooks/{place}")


async def test_an_alert_without_a_section_is_told_how_to_get_one(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        page = await see(router, "/runbooks/for/Unwritten", 404)
    assert "No runbook for Unwritten: add a heading “### Unwritten” to a file in the runbooks folder." in page.text


async def test_behind_a_path_of_its_own_every_link_starts_with_it(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, {"ALERTROUTER_PUBLIC_URL": "https://ops.test/pages/"}) as router:
        incident = await open_one(router, "HighErrorRate")
        pages = [await see(router, path) for path in ("/", f"/incidents/{incident}", "/runbooks", "/runbooks/servico.md")]
        away = [
            await router.http.post(f"/incidents/{incident}/acknowledge"),
            await router.http.get("/runbooks/for/HighErrorRate"),
        ]
    kinds = (("a", "href"), ("link", "href"), ("script", "src"), ("form", "action"), ("button", "formaction"))
    links = [link for page in pages for tag, name in kinds for link in page.all(tag, name) if link.startswith("/")]
    links += [answer.headers["location"] for answer in away]
    assert [link for link in links if not link.startswith("/pages/")] == []


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


async def test_a_locked_database_can_be_read_and_a_button_says_that_nothing_was_done(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        incident = await open_one(router, "HighErrorRate")
        await router.settled()
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await see(router, f"/incidents/{incident}")
        pressed = await router.http.post(f"/incidents/{incident}/resolve")
        other.execute("ROLLBACK")
        other.close()
    assert (pressed.status_code, "Nothing was done" in pressed.text) == (503, True)


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


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        ("https://grafana.test/d/1?x=y#z", True),
        ("http://127.0.0.1:9090/graph", True),
        ("HTTPS://grafana.test", True),
        ("javascript:alert(1)", False),
        (" \tjava\nscript:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil.test", False),
        ("https:evil.test", False),
        ("/graph", False),
        ("http://[x", False),
        ("", False),
    ],
)
def test_only_whole_http_addresses_become_links(url: str, linked: bool) -> None:
    assert web_link(url) == (url if linked else "")
