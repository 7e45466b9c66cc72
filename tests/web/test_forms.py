"""The buttons of an incident's page."""

import sqlite3
from pathlib import Path

import pytest

from browsing import Seen, open_one, see, write_runbooks
from serving import running


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


@pytest.mark.parametrize(("action", "told"), [("acknowledge", "Acknowledged by Ana"), ("resolve", "Resolved by Ana")])
async def test_a_button_pressed_twice_does_its_work_once(action: str, told: str, url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        incident = await open_one(router, "HighErrorRate")
        for _ in range(2):
            assert (await router.http.post(f"/incidents/{incident}/{action}", data={"by": "Ana"})).status_code == 303
        assert (await see(router, f"/incidents/{incident}")).text.count(told) == 1
        sent = [event["event_action"] for event in await router.settled()]
    assert sent.count(action) <= 1


async def test_escalate_pressed_twice_or_late_takes_the_one_step_that_the_page_spoke_of(url: str, tmp_path: Path) -> None:
    steps = "- {after: 15m, to: engineering}\n- {after: 30m, to: dba}\n"
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"two.md": f"# Two\n\n## Escalation\n\n```yaml\n{steps}```\n"})
        incident = await open_one(router, "Two")
        seen = hidden(await see(router, f"/incidents/{incident}"))
        for _ in range(2):
            answer = await router.http.post(f"/incidents/{incident}/escalate", data={"by": "Ana"} | seen)
            assert answer.status_code == 303
        escalation = (await router.http.get(f"/api/v1/incidents/{incident}")).json()["escalation"]
    assert (len(escalation["policy"]), escalation["step"]) == (2, 1)


async def test_escalate_pages_whom_the_page_named_or_says_that_somebody_else_is_next(url: str, tmp_path: Path) -> None:
    steps = "- {after: 15m, to: engineering, unless: acknowledged}\n- {after: 30m, to: dba}\n"
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"two.md": f"# Two\n\n## Escalation\n\n```yaml\n{steps}```\n"})
        incident = await open_one(router, "Two")
        seen = hidden(await see(router, f"/incidents/{incident}"))
        await router.http.post(f"/incidents/{incident}/acknowledge", data={"by": "Bia"})  # engineering is not needed any more
        late = await router.http.post(f"/incidents/{incident}/escalate", data={"by": "Ana"} | seen)
        told = "Nothing was done. The next step has become another one since this page was loaded."
        assert (late.status_code, told in Seen(late.text).text) == (409, True)
        seen = hidden(await see(router, f"/incidents/{incident}"))
        again = await router.http.post(f"/incidents/{incident}/escalate", data={"by": "Ana"} | seen)
        assert again.status_code == 303
        assert "Escalated to dba by Ana (step 2)" in (await see(router, f"/incidents/{incident}")).text


def hidden(page: Seen) -> dict[str, str]:
    """What the buttons of a page send besides what is typed."""
    fields = [attrs for tag, attrs in page.tags if tag == "input" and attrs.get("type") == "hidden"]
    return {str(attrs["name"]): str(attrs["value"]) for attrs in fields}


async def test_what_a_button_cannot_do_is_said_on_a_page_that_leads_back(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        incident = await open_one(router, "DatabaseDown")
        over = await open_one(router, "HighErrorRate")
        await router.http.post(f"/incidents/{over}/resolve")
        page = await see(router, f"/incidents/{over}")
        assert not page.all("form", "action")
        for path, content, status, text in [
            (f"{incident}/escalate", b"", 409, "Nothing was done. No step is left: the policy has 1."),
            (f"{over}/snooze", b"for=15m", 409, "The incident is resolved"),
            (f"{incident}/snooze", b"for=soon", 400, "'soon' is not a duration"),
            (f"{incident}/snooze", b"", 400, "for is missing"),
            (f"{incident}/resolve", b"a=b&" * 50, 400, "too many fields"),
            (f"{incident}/resolve", b"x" * 100_000, 413, "larger than"),
            ("nosuchincident/resolve", b"", 404, "There is no incident nosuchincident."),
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
