"""Whatever alerts and runbooks hold is shown as text, and the pages keep to themselves."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from alertrouter.web.rendering import web_link
from browsing import Seen, open_one, see, write_runbooks
from serving import running

NASTY = "\"><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} ' &amp;"
NASTY_RUNBOOK = f"""# {NASTY}

## Nasty
<script>alert(3)</script>

[press](javascript:alert(4)) <img src=x onerror=alert(5)> `{{{{ labels.nasty }}}}` ![i](javascript:alert(6))

```"><script>
<x onload="alert(7)">
```
"""


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
