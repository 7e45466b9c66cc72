"""The pages in a real browser: Debian's Chromium, on a desktop and on a phone, against real processes."""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect, sync_playwright

from processes import Process, Router, Sandbox, debian, ending, free_port, notification, wait_for

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NASTY = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = debian("chromium")
    expect.set_options(timeout=30_000)  # of a machine that has much else to do
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """A page that is looked at, and what must not happen on it: dialogs, errors on the console, requests elsewhere."""

    def __init__(self, context: BrowserContext, home: str, *others: str) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.wrong: list[str] = []
        known = {urlsplit(url).netloc for url in (home, *others)}
        self.page.on("dialog", self._dismiss)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error {error}"))
        self.page.on("console", self._hear)
        self.page.on("request", lambda asked: self._look(asked.url, known))

    def _dismiss(self, dialog: Dialog) -> None:
        self.wrong.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _hear(self, line: ConsoleMessage) -> None:
        if line.type in {"error", "warning"}:
            self.wrong.append(line.text)

    def _look(self, url: str, known: set[str]) -> None:
        if urlsplit(url).netloc not in known and not url.startswith("data:"):
            self.wrong.append(f"asked for {url}")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path)
    with ending(sandbox):
        yield sandbox


def routed(folder: Path, sandbox: Sandbox, **env: str) -> Router:
    return Router(folder, sandbox.url, f"sqlite:///{folder}/a.db", **env)


def fits(page: Page) -> bool:
    fits: bool = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    return fits


def faults(page: Page) -> list[str]:
    """What axe-core finds serious or critical."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in {"serious", "critical"}]


@pytest.mark.parametrize(("device", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone", "desktop"])
def test_the_walk_at_3_am(browser: Browser, tmp_path: Path, sandbox: Sandbox, device: dict[str, Any], scheme: Any) -> None:
    router = routed(tmp_path, sandbox)
    with ending(router), browser.new_context(**device, color_scheme=scheme) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=router.url)
        visit = Visit(context, router.url)
        page = visit.page
        page.goto(router.url)
        expect(page.get_by_role("heading", name="All quiet")).to_be_visible()
        assert faults(page) == []
        router.post(notification())
        page.get_by_role("link", name="HighErrorRate").click()  # it has come by itself
        expect(page.get_by_text("Next: engineering")).to_be_visible()
        page.get_by_role("button", name="Copy: kubectl logs -n prod deploy/api").click()
        assert page.evaluate("navigator.clipboard.readText()") == "kubectl logs -n prod deploy/api"
        assert faults(page) == []
        assert fits(page)
        page.get_by_label("Your name").fill("Ana")
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.get_by_text("acknowledged by Ana").first).to_be_visible()
        wait_for("PagerDuty to know", lambda: [one for one in sandbox.alerts() if one["status"] == "acknowledged"])
        router.post(notification(firing=False))
        expect(page.get_by_text("resolved", exact=True).first).to_be_visible()  # by itself, too
        assert visit.wrong == []


def test_pages_in_portuguese_at_twice_the_size_tell_the_reader_s_time(browser: Browser, tmp_path: Path, sandbox: Sandbox) -> None:
    router = routed(tmp_path, sandbox, ALERTROUTER_ACK_LINKS="true", ALERTROUTER_SECRET="s" * 32)
    half: Any = {"width": 640, "height": 430}  # 1280 by 860 at 200 %
    with ending(router), browser.new_context(locale="pt-BR", timezone_id="America/Sao_Paulo", viewport=half) as context:
        visit = Visit(context, router.url)
        [incident] = router.post(notification()).json()["incidents"]
        [event, *_] = wait_for("the page", sandbox.events)
        [ack] = [urlsplit(link["href"]).path for link in event["event"]["links"] if link["text"] == "Acknowledge"]
        files = ("/runbooks", "/runbooks/service.md", "/runbooks/coverage")
        for path in ("/", "/?status=resolved", f"/incidents/{incident}", ack, *files, "/report"):
            visit.page.goto(router.url + path)
            assert faults(visit.page) == [], path
            assert fits(visit.page), path
        visit.page.goto(f"{router.url}/incidents/{incident}")
        expect(visit.page.get_by_role("heading", name="Linha do tempo")).to_be_visible()
        moment = visit.page.locator(".timeline time").first
        shown = datetime.strptime(moment.inner_text(), "%d/%m/%Y, %H:%M:%S")  # noqa: DTZ007 - what the page says has no zone
        assert str(shown + timedelta(hours=3)) + " UTC" == moment.get_attribute("title")
        assert visit.wrong == []
        visit.page.goto(f"{router.url}/nowhere")
        expect(visit.page.get_by_text("Não há nada em /nowhere.")).to_be_visible()
        assert faults(visit.page) == []
        assert fits(visit.page)


def test_a_page_that_lost_its_connection_shows_what_came_meanwhile(browser: Browser, tmp_path: Path, sandbox: Sandbox) -> None:
    router = routed(tmp_path, sandbox)
    with ending(router), browser.new_context() as context:
        page = Visit(context, router.url).page
        page.goto(router.url)
        expect(page.get_by_role("heading", name="All quiet")).to_be_visible()
        notice = page.get_by_role("status")
        expect(notice).to_have_text("")
        assert router.process.stop(9) == 0  # an open stream does not hold it up
        expect(notice).to_contain_text("Not connected. This is how it was at", timeout=15_000)  # no look is due before 30 s
        assert faults(page) == []
        router.start()
        router.post(notification())
        expect(page.get_by_role("link", name="HighErrorRate")).to_be_visible(timeout=20_000)
        expect(notice).to_have_text("")


def test_a_page_that_a_proxy_answers_for_says_so_and_leads_to_who_has_to_sign_in_again(
    browser: Browser, tmp_path: Path, sandbox: Sandbox
) -> None:
    router = routed(tmp_path, sandbox)
    with ending(router), browser.new_context() as context:
        visit = Visit(context, router.url)
        page = visit.page
        page.route("**/live", lambda route: route.fulfill(status=502, body="Bad Gateway"))
        page.goto(router.url)
        router.post(notification())
        page.route(router.url + "/", lambda route: route.fulfill(body="<h1>Maintenance</h1>", content_type="text/html"))
        notice = page.get_by_role("status")
        expect(notice).to_contain_text("Not connected", timeout=15_000)
        page.unroute("**/live")
        page.unroute(router.url + "/")
        expect(page.get_by_role("link", name="HighErrorRate")).to_be_visible(timeout=20_000)  # the stream is asked for again
        expect(notice).to_have_text("")
        page.route(router.url + "/", lambda route: route.fulfill(status=401, body="<h1>Sign in</h1>", content_type="text/html"))
        router.post(notification("Another", group="other"))
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert [one for one in visit.wrong if one.startswith("error")] == []


def test_a_button_that_is_open_pages_whom_it_names_or_nobody(browser: Browser, tmp_path: Path, sandbox: Sandbox) -> None:
    router = routed(tmp_path, sandbox)
    steps = "- {after: 15m, to: engineering}\n- {after: 30m, to: oncall}\n"
    (tmp_path / "runbooks" / "two.md").write_text(f"# Two\n\n## Escalation\n\n```yaml\n{steps}```\n")
    with ending(router), browser.new_context(**PHONE) as context:
        wait_for("the runbook", lambda: "Two" in httpx.get(f"{router.url}/api/v1/runbooks").text)
        visit = Visit(context, router.url)
        page = visit.page
        [incident] = router.post(notification("Two")).json()["incidents"]
        page.goto(f"{router.url}/incidents/{incident}")
        page.get_by_text("Escalate…").click()
        httpx.post(f"{router.url}/api/v1/incidents/{incident}/escalate", json={"by": "Bia"}).raise_for_status()
        expect(page.get_by_text("Escalated to engineering by Bia (step 1)")).to_be_visible()
        page.get_by_role("button", name="Page engineering").click()
        expect(page.get_by_role("button", name="Page engineering")).to_be_hidden()  # the page is loaded again
        page.get_by_text("Escalate…").click()
        expect(page.get_by_role("button", name="Page oncall")).to_be_visible()
        assert router.incident(incident)["escalation"]["step"] == 1
        assert visit.wrong == []


def test_news_leaves_what_is_typed_chosen_open_and_in_focus_as_it_is(browser: Browser, tmp_path: Path, sandbox: Sandbox) -> None:
    router = routed(tmp_path, sandbox)
    with ending(router), browser.new_context(**PHONE) as context:
        visit = Visit(context, router.url)
        page = visit.page
        [incident] = router.post(notification()).json()["incidents"]
        page.goto(router.url)
        first = page.get_by_role("link", name="HighErrorRate")
        first.focus()
        router.post(notification("Aaa", group="other"))
        expect(page.get_by_role("link", name="Aaa")).to_be_visible()
        expect(first).to_be_focused()
        page.goto(f"{router.url}/incidents/{incident}")
        page.get_by_text("Resolve…").click()
        page.get_by_text("Labels and annotations").click()  # closes it
        page.get_by_label("Your name").fill("Ana")
        page.evaluate("getSelection().selectAllChildren(document.querySelector('.prose code'))")
        page.get_by_label("Your name").focus()
        page.evaluate("scrollTo(0, 120)")
        selected, down = page.evaluate("[String(getSelection()), scrollY]")
        router.post(notification(instance="b"))
        expect(page.get_by_text("2 firing")).to_be_visible()
        expect(page.get_by_label("Your name")).to_be_focused()
        expect(page.get_by_label("Your name")).to_have_value("Ana")
        expect(page.get_by_role("button", name="Resolve it")).to_be_visible()
        expect(page.locator(".pairs").first).to_be_hidden()
        assert page.evaluate("[String(getSelection()), scrollY]") == [selected, down]
        httpx.post(f"{router.url}/api/v1/incidents/{incident}/acknowledge", json={"by": "Bia"}).raise_for_status()
        expect(page.get_by_text("acknowledged by Bia").first).to_be_visible()
        expect(page.get_by_role("button", name="Acknowledge")).to_be_hidden()
        expect(page.get_by_label("Your name")).to_have_value("Ana")
        assert visit.wrong == []


def test_runbooks_are_found_as_their_words_are_typed(browser: Browser, tmp_path: Path, sandbox: Sandbox) -> None:
    router = routed(tmp_path, sandbox)
    with ending(router), browser.new_context(**PHONE) as context:
        visit = Visit(context, router.url)
        page = visit.page
        page.goto(f"{router.url}/runbooks")
        assert faults(page) == []
        page.get_by_role("searchbox").press_sequentially("kubec")
        expect(page.locator("#Found mark").first).to_have_text("kubectl")
        page.get_by_role("link", name="HighErrorRate").click()
        expect(page).to_have_url(f"{router.url}/runbooks/service.md#higherrorrate")
        assert faults(page) == []
        assert fits(page)
        page.goto(f"{router.url}/runbooks/coverage")
        assert faults(page) == []
        assert visit.wrong == []


def test_nothing_that_alerts_hold_runs_in_a_browser(browser: Browser, tmp_path: Path, sandbox: Sandbox) -> None:
    router = routed(tmp_path, sandbox)
    with ending(router), browser.new_context() as context:
        (tmp_path / "runbooks" / "nasty.md").write_text(f"# {NASTY}\n\n### Nasty\n{NASTY} [x](javascript:alert(3))\n")
        body = notification("Nasty")
        body["alerts"][0]["labels"]["nasty"] = NASTY
        body["alerts"][0]["annotations"] = {"summary": NASTY, "link": "javascript:alert(4)"}
        [incident] = router.post(body).json()["incidents"]
        visit = Visit(context, router.url)
        paths = (
            "/",
            f"/incidents/{incident}",
            "/runbooks",
            "/runbooks/nasty.md",
            "/runbooks?q=script",
            "/?q=%3Cscript%3E",
        )
        for path in paths:
            visit.page.goto(router.url + path)
            for summary in visit.page.locator("summary").all():
                summary.click()
        assert visit.wrong == []


def test_somebody_signs_in_with_an_openid_provider(browser: Browser, tmp_path: Path, sandbox: Sandbox) -> None:
    port = free_port()
    arguments = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    provider = Process(arguments, {}, tmp_path / "provider.log")
    issuer = f"http://127.0.0.1:{port}"
    try:
        router = routed(
            tmp_path,
            sandbox,
            ALERTROUTER_AUTH="oidc",
            ALERTROUTER_OIDC_ISSUER=issuer,
            ALERTROUTER_OIDC_CLIENT_ID="alertrouter",
            ALERTROUTER_OIDC_CLIENT_SECRET="client-secret",
            ALERTROUTER_SECRET="s" * 32,
            ALERTROUTER_PUBLIC_URL="http://127.0.0.1:{port}",
        )
        with ending(router), browser.new_context() as context:
            [incident] = router.post(notification()).json()["incidents"]
            visit = Visit(context, router.url, issuer)
            page = visit.page
            page.goto(f"{router.url}/incidents/{incident}")
            page.locator("input[name=sub]").fill("ana@example.org")
            page.locator("button", has_text="Authorize").first.click()
            expect(page).to_have_url(f"{router.url}/incidents/{incident}")
            page.get_by_role("button", name="Acknowledge").click()
            expect(page.get_by_text("acknowledged by ana@example.org").first).to_be_visible()
            page.get_by_role("button", name="Sign out").click()
            expect(page).not_to_have_url(f"{router.url}/")
    finally:
        provider.kill()
