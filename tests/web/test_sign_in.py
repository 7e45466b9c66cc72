"""Who may look and who may act: passwords, a proxy's word, an OpenID provider, and links that acknowledge."""

import base64
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import bcrypt
import httpx
import pytest

from alertrouter.ack_links import AckLinks
from browsing import Seen, open_one
from processes import Process, free_port, wait_for
from serving import Running, running

SECRET = "s" * 32
PASSWORD = "olá mundo"
USERS = " ".join(f"{name}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}" for name in ("ana", "bia"))
BASIC = {"ALERTROUTER_AUTH": "basic", "ALERTROUTER_AUTH_USERS": USERS}
PROXY = {"ALERTROUTER_AUTH": "proxy", "ALERTROUTER_AUTH_NETWORKS": "10.0.0.0/8, fd00::/8"}
PAGES = ("/", "/runbooks", "/runbooks/servico.md", "/runbooks/coverage", "/api/v1/incidents", "/api/v1/deliveries")


def as_(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


def reached_from(router: Running, address: str) -> httpx.AsyncClient:
    transport = router.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    return httpx.AsyncClient(transport=httpx.ASGITransport(transport.app, client=(address, 4000)), base_url="http://router.test")


async def told(router: Running, incident: str, **headers: str) -> str:
    story = (await router.http.get(f"/api/v1/incidents/{incident}", headers=headers)).json()
    return " | ".join(entry["text"] for entry in story["timeline"])


async def test_pages_and_the_api_want_a_password_and_the_rest_does_not(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, BASIC) as router:
        for path in PAGES:
            assert (await router.http.get(path)).status_code == 401, path
            for wrong in (as_("ana", "x"), as_("nobody"), as_("", ""), {"Authorization": "Basic %"}):
                assert (await router.http.get(path, headers=wrong)).status_code == 401, path
            assert (await router.http.get(path, headers=as_("ana"))).status_code == 200, path
        assert "Basic" in (await router.http.get("/")).headers["www-authenticate"]
        for path in ("/healthz", "/readyz", "/metrics", "/static/alertrouter.css"):
            assert (await router.http.get(path)).status_code == 200, path
        assert (await router.post({"groupKey": "g", "alerts": []})).status_code in {200, 400}


async def test_the_name_that_signed_in_is_the_name_in_the_timeline_whatever_the_form_says(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, BASIC) as router:
        incident = await open_one(router, "HighErrorRate")
        page = await router.http.get(f"/incidents/{incident}", headers=as_("ana"))
        assert "ana" in Seen(page.text).text
        assert 'name="by"' not in page.text
        await router.http.post(f"/incidents/{incident}/acknowledge", data={"by": "Eve"}, headers=as_("ana"))
        await router.http.post(f"/api/v1/incidents/{incident}/resolve", json={"by": "Eve"}, headers=as_("bia"))
        story = await told(router, incident, **as_("ana"))
    assert "by ana" in story
    assert "by bia" in story
    assert "Eve" not in story


async def test_who_is_not_among_the_actors_reads_and_does_nothing_else(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, {**BASIC, "ALERTROUTER_AUTH_ACTORS": "ana"}) as router:
        incident = await open_one(router, "HighErrorRate")
        page = await router.http.get(f"/incidents/{incident}", headers=as_("bia"))
        assert "<button" not in page.text
        assert "<button" in (await router.http.get(f"/incidents/{incident}", headers=as_("ana"))).text
        for path in (f"/incidents/{incident}/resolve", f"/api/v1/incidents/{incident}/resolve", "/api/v1/deliveries/1/discard"):
            refused = await router.http.post(path, headers=as_("bia"))
            assert (refused.status_code, "bia" in refused.text) == (403, True), path
        assert (await router.http.post(f"/incidents/{incident}/resolve", headers=as_("ana"))).status_code == 303


async def test_a_token_for_reading_reads_and_a_token_for_all_acts(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, {"ALERTROUTER_API_TOKENS": "whole, read:half"}) as router:
        incident = await open_one(router, "HighErrorRate")
        for token, read, act in [("whole", 200, 200), ("half", 200, 403), ("read:half", 401, 401), ("", 401, 401)]:
            bearer = {"Authorization": f"Bearer {token}"}
            assert (await router.http.get("/api/v1/incidents", headers=bearer)).status_code == read, token
            assert (await router.http.post(f"/api/v1/incidents/{incident}/acknowledge", headers=bearer)).status_code == act, token


async def test_a_token_counts_beside_a_sign_in(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, {**PROXY, "ALERTROUTER_API_TOKENS": "whole"}) as router:
        for headers, status in [({"Authorization": "Bearer whole"}, 200), ({"Authorization": "Bearer x"}, 401), ({}, 401)]:
            assert (await router.http.get("/api/v1/incidents", headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("10.1.2.3", [("X-Forwarded-User", "ana")], 200),
        ("::ffff:10.1.2.3", [("X-Forwarded-User", "ana")], 200),
        ("fd00::1", [("x-forwarded-user", "ana")], 200),
        ("10.1.2.3", [], 403),
        ("10.1.2.3", [("X-Forwarded-User", " ")], 403),
        ("10.1.2.3", [("X-Forwarded-User", "ana"), ("X-Forwarded-User", "root")], 403),
        ("192.168.0.1", [("X-Forwarded-User", "ana")], 403),
        ("192.168.0.1", [("X-Forwarded-User", "ana"), ("X-Forwarded-For", "10.1.2.3")], 403),
    ],
)
async def test_the_header_of_a_proxy_counts_from_its_networks_alone(
    url: str, tmp_path: Path, address: str, headers: list[tuple[str, str]], status: int
) -> None:
    async with running(url, tmp_path, PROXY) as router, reached_from(router, address) as http:
        assert (await http.get("/", headers=headers)).status_code == status
        assert (await http.get("/api/v1/incidents", headers=headers)).status_code == (200 if status == 200 else 401)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An OpenID provider, as a process of its own."""
    port = free_port()
    process = Process(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)],
        {},
        tmp_path_factory.mktemp("oidc") / "log",
    )
    url = f"http://127.0.0.1:{port}"
    wait_for("the provider", lambda: httpx.get(f"{url}/.well-known/openid-configuration").is_success)
    yield url
    process.kill()


def oidc(provider: str, **more: str) -> dict[str, str]:
    return {
        "ALERTROUTER_AUTH": "oidc",
        "ALERTROUTER_OIDC_ISSUER": provider,
        "ALERTROUTER_OIDC_CLIENT_ID": "alertrouter",
        "ALERTROUTER_OIDC_CLIENT_SECRET": "client-secret",
        "ALERTROUTER_SECRET": SECRET,
        **more,
    }


async def sign_in(router: Running, path: str, who: str) -> httpx.Response:
    """Follow the redirects to the provider, sign in there, and come back."""
    begun = await router.http.get((await router.http.get(path)).headers["location"])
    async with httpx.AsyncClient() as http:
        back = (await http.post(begun.headers["location"], data={"sub": who})).headers["location"]
    return await router.http.get(back)


async def test_who_signs_in_with_a_provider_comes_back_to_where_they_were(url: str, tmp_path: Path, provider: str) -> None:
    async with running(url, tmp_path, oidc(provider)) as router:
        incident = await open_one(router, "HighErrorRate")
        back = await sign_in(router, f"/incidents/{incident}?x=1", "ana@example.org")
        assert (back.status_code, back.headers["location"]) == (303, f"/incidents/{incident}?x=1")
        cookie = back.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie
        page = await router.http.get(f"/incidents/{incident}")
        assert "ana@example.org" in page.text
        await router.http.post(f"/incidents/{incident}/acknowledge")
        assert "by ana@example.org" in await told(router, incident)
        assert (await router.http.post("/sign-out")).status_code == 303
        assert (await router.http.get("/")).status_code == 303
        assert (await router.http.post(f"/incidents/{incident}/resolve")).status_code == 401
        assert (await router.http.get("/api/v1/incidents")).status_code == 401


async def test_the_cookie_is_for_https_alone_where_the_pages_are(url: str, tmp_path: Path, provider: str) -> None:
    async with running(url, tmp_path, oidc(provider, ALERTROUTER_PUBLIC_URL="https://router.test/on-call")) as router:
        begun = await router.http.get("/sign-in")
    assert "; secure" in begun.headers["set-cookie"]
    assert "path=/on-call/" in begun.headers["set-cookie"]
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["redirect_uri"] == ["https://router.test/on-call/sign-in/done"]
    assert asked["code_challenge_method"] == ["S256"]


async def test_a_forged_cookie_or_a_foreign_callback_signs_nobody_in(url: str, tmp_path: Path, provider: str) -> None:
    async with running(url, tmp_path, oidc(provider)) as router:
        forged = base64.b64encode(b'{"name": "root"}').decode() + ".aaaaaa.bbbbbb"
        assert (await router.http.get("/", headers={"Cookie": f"alertrouter={forged}"})).status_code == 303
        for query in ("code=x&state=y", "error=access_denied", ""):
            answer = await router.http.get(f"/sign-in/done?{query}")
            assert (answer.status_code, "Start again" in answer.text) == (403, True)


@pytest.mark.parametrize("place", ["https://evil.test/", "//evil.test", "/\\evil.test", "evil"])
async def test_nobody_is_sent_to_another_site_after_signing_in(url: str, tmp_path: Path, provider: str, place: str) -> None:
    async with running(url, tmp_path, oidc(provider)) as router:
        begun = await router.http.get("/sign-in", params={"next": place})
        async with httpx.AsyncClient() as http:
            back = (await http.post(begun.headers["location"], data={"sub": "ana"})).headers["location"]
        assert (await router.http.get(back)).headers["location"] == "/"


async def test_a_provider_that_does_not_answer_is_said_on_a_page(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, oidc(f"http://127.0.0.1:{free_port()}")) as router:
        answer = await router.http.get("/sign-in")
        assert (await router.http.get("/healthz")).status_code == 200
    assert (answer.status_code, "sign-in provider" in answer.text) == (503, True)


ACKS = {**PROXY, "ALERTROUTER_ACK_LINKS": "true", "ALERTROUTER_SECRET": SECRET}


def link_in(event: dict[str, object]) -> str:
    links = event["links"]
    assert isinstance(links, list)
    [href] = [link["href"] for link in links if link["text"] == "Acknowledge"]
    return str(href)


async def test_a_link_in_the_page_asks_when_it_is_looked_at_and_acknowledges_by_its_button(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path, {**ACKS, "ALERTROUTER_API_TOKENS": "t"}) as router:
        incident = await open_one(router, "HighErrorRate")
        link = link_in((await until_paged(router))[0])
        bearer = {"Authorization": "Bearer t"}
        for _ in range(2):
            page = await router.http.get(link)
            assert (page.status_code, "<button" in page.text) == (200, True)
        assert "acknowledged" not in await told(router, incident, **bearer)
        for _ in range(2):
            assert (await router.http.post(link, data={"by": "Ana"})).headers["location"] == urlsplit(link).path
        assert "Acknowledged by Ana" in Seen((await router.http.get(link)).text).text
        assert (await told(router, incident, **bearer)).count("by Ana") == 1
        assert (await router.http.post(link, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
        router.clock.pass_(hours=25)
        assert (await router.http.get(link)).status_code == 410
        assert (await router.http.post(link)).status_code == 410
        assert (await router.http.get(link[:-1] + ("a" if link[-1] != "a" else "b"))).status_code == 410


async def until_paged(router: Running) -> list[dict[str, object]]:
    from serving import until

    found: list[dict[str, object]] = await until(router.events)
    return found


async def test_there_are_no_links_unless_they_are_asked_for(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        incident = await open_one(router, "HighErrorRate")
        [event] = await until_paged(router)
        assert "Acknowledge" not in str(event["links"])
        link = AckLinks(SECRET, "http://router.test").url(incident, router.clock.now + timedelta())
        assert (await router.http.get(link)).status_code == 404


@pytest.mark.parametrize(
    "path", ["/webhooks/alertmanager", "/webhooks/change", "/api/v1/incidents/x/resolve", "/incidents/x/resolve"]
)
async def test_nothing_is_changed_by_a_page_of_another_site(url: str, tmp_path: Path, path: str) -> None:
    async with running(url, tmp_path) as router:
        answer = await router.http.post(path, headers={"Origin": "https://evil.test"}, content=b"{}")
    assert (answer.status_code, "another site" in answer.text) == (403, True)
