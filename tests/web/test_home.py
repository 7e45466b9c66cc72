"""The on-call page narrowed, paged, and kept up to date."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from alertrouter.web import home
from browsing import body, open_one, see
from serving import Running, running, serve


async def listed(router: Running, query: str) -> list[str]:
    """The incidents in the order of the page."""
    page = await see(router, f"/{query}")
    return [link.removeprefix("/incidents/") for link in page.all("a", "href") if link.startswith("/incidents/")]


async def test_the_list_is_narrowed_by_status_severity_target_and_text(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        disk = await open_one(router, "DiskFull", "critical", labels={"instance": "db-1"})
        cpu = await open_one(router, "HighCpu", "warning", labels={"instance": "Web_1"})
        over = await open_one(router, "Over", "warning")
        await router.http.post(f"/incidents/{disk}/acknowledge")
        await router.http.post(f"/incidents/{over}/resolve")
        for query, wanted in [
            ("?status=open&severity=", [disk, cpu]),
            ("?status=triggered", [cpu]),
            ("?status=acknowledged", [disk]),
            ("?status=resolved", [over]),
            ("?severity=critical", [disk]),
            ("?severity=info", []),
            ("?target=oncall&severity=warning", [cpu]),
            ("?target=dba", []),
            ("?q=web_1", [cpu]),
            ("?q=%25", []),  # a per cent sign is no wildcard
            ("?q=disk&status=triggered", []),
        ]:
            found = await listed(router, query)
            assert [one for one in found if one != over or "resolved" in query] == wanted, query
        assert (await router.http.get("/?severity=bad")).status_code == 400


async def test_more_than_fit_on_a_page_are_on_the_next_ones(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "_MOST_OPEN", 2)
    monkeypatch.setattr(home, "_MOST_PAST", 2)
    async with running(database_url, tmp_path) as router:
        ids = [await open_one(router, f"A{number}", labels={"n": str(number)}) for number in range(5)]
        for status, first in (("open", ""), ("resolved", "?status=resolved")):
            seen: list[str] = []
            query = first
            for _ in range(3):
                page = await see(router, f"/{query}")
                seen += [link.removeprefix("/incidents/") for link in page.all("a", "href") if link.startswith("/incidents/")][:2]
                following = [link for link in page.all("a", "href") if "cursor=" in link or "page=" in link]
                query = following[0].removeprefix("/") if following else ""
            assert sorted(seen) == sorted(ids), status
            assert not query
            for one in ids:
                await router.http.post(f"/incidents/{one}/resolve")


@asynccontextmanager
async def listening(url: str, path: str) -> AsyncIterator["Stream"]:
    async with httpx.AsyncClient(base_url=url, timeout=10) as http, http.stream("GET", path) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


class Stream:
    """A stream of events as a browser hears it."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self) -> str:
        async with asyncio.timeout(8):
            async for line in self._lines:
                if line.startswith("data: "):
                    return line
        raise AssertionError("the stream is over")


async def test_an_open_page_is_told_of_news_and_of_none_where_there_is_none(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        incident = await open_one(router, "HighErrorRate")
        await router.settled()
        transport = router.http._transport
        assert isinstance(transport, httpx.ASGITransport)
        async with (
            serve(transport.app) as url,  # type: ignore[arg-type]
            listening(url, "/live") as all_,
            listening(url, f"/live/{incident}") as one,
        ):
            first_of_all, first_of_one = await all_.next(), await one.next()
            assert first_of_all.removeprefix("data: ") in (await router.http.get("/")).text
            assert first_of_one.removeprefix("data: ") in (await router.http.get(f"/incidents/{incident}")).text
            await router.post(body("Other"))
            assert await all_.next() != first_of_all
            await router.http.post(f"/incidents/{incident}/acknowledge")
            assert await one.next() != first_of_one
