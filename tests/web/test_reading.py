"""The runbooks as pages."""

from pathlib import Path

import pytest
from dulwich import porcelain

from alertrouter import telemetry
from alertrouter.coverage import measure
from browsing import SECTIONS, open_one, see, write_runbooks
from serving import running


async def test_the_runbooks_are_listed_with_their_headings_and_found_by_words_without_accents(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": SECTIONS, "deploy.md": "# Deploy\n\n## Voltar\nA versão anterior.\n"})

        async def found(query: str) -> list[str]:
            page = await see(router, f"/runbooks?q={query}")
            links = [link for link in page.all("a", "href") if link.startswith("/runbooks/") and ".md" in link]
            return [link.removeprefix("/runbooks/") for link in links]

        assert await found("") == [
            "a.md",
            "a.md#servi%C3%A7o",
            "a.md#higherrorrate-error_typellm",
            "a.md#higherrorrate-1",
            "a.md#databasedown",
            "a.md#semregra",
            "a.md#persistente",
            "deploy.md",
            "deploy.md#voltar",
        ]
        assert await found("VERSAO") == ["deploy.md#voltar"]
        assert await found("eletrica") == ["a.md#semregra"]  # the one that holds it, not those around it
        assert await found("databasedown") == ["a.md#databasedown"]
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
    sections = ["serviço", None, "higherrorrate-error_typellm", "higherrorrate-1", "databasedown", "semregra", "persistente"]
    assert ids == [*sections, "Contents"]
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


async def test_the_coverage_tells_which_alerts_have_no_section(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        assert "No alert has ever come." in (await see(router, "/runbooks/coverage")).text
        await open_one(router, "HighErrorRate")
        await open_one(router, "HighErrorRate", labels={"pod": "2"}, group="other")
        await open_one(router, "Unwritten")
        router.clock.pass_(seconds=1)
        last = await open_one(router, "Unwritten", labels={"pod": "2"}, group="later")
        page = await see(router, "/runbooks/coverage")
        assert "Alerts that are firing and had a section when they came: 2 of 4" in page.text
        assert "Names of alerts that ever came and have a section now: 1 of 2" in page.text
        assert f"/incidents/{last}" in page.all("a", "href")
        measured = measure(router.service.database, router.service.library.shelf.index, "")
        telemetry.count_coverage(measured.firing, len(measured.known), len(measured.uncovered))
        metrics = (await router.http.get("/metrics")).text
        assert 'alertrouter_runbook_coverage{alerts="firing",runbook="missing"} 2.0' in metrics
        assert 'alertrouter_runbook_coverage{alerts="known",runbook="matched"} 1.0' in metrics
        (tmp_path / "runbooks" / "Unwritten.md").write_text("# Unwritten\n\nNow it is.\n")
        router.service.library.load()
        assert "Names of alerts that ever came and have a section now: 2 of 2" in (await see(router, "/runbooks/coverage")).text


async def test_a_file_tells_its_contents_and_the_incidents_that_it_was_used_in(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": SECTIONS, "b.md": "# Other"})
        incident = await open_one(router, "DatabaseDown")
        await open_one(router, "Unknown")
        page = await see(router, "/runbooks/a.md")
        assert f"/incidents/{incident}" in page.all("a", "href")
        assert "/runbooks/a.md#databasedown" in page.all("a", "href")
        assert "Used in" not in (await see(router, "/runbooks/b.md")).text


async def test_a_file_of_a_checkout_tells_who_changed_it_last(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        folder = tmp_path / "runbooks"
        write_runbooks(router, tmp_path, {"a.md": SECTIONS, "b.md": "# Other"})
        porcelain.init(str(folder))
        for name, who in [("a.md", b"Ana <ana@example.org>"), ("b.md", b"Bia <bia@example.org>")]:
            porcelain.add(str(folder), [str(folder / name)])
            porcelain.commit(str(folder), message=b"Steps for " + name.encode() + b"\n\nmore", author=who, committer=who)
        router.service.library.load()
        assert "by Ana: Steps for a.md" in (await see(router, "/runbooks/a.md")).text
        assert "by Bia: Steps for b.md" in (await see(router, "/runbooks/b.md")).text
        (folder / "b.md").write_text("# Other\n\nMore.")
        porcelain.add(str(folder), [str(folder / "b.md")])
        porcelain.commit(str(folder), message=b"More", author=b"Ana <a@b>", committer=b"Ana <a@b>")
        router.service.library.load()
        assert "by Ana: More" in (await see(router, "/runbooks/b.md")).text


async def test_the_api_finds_sections_by_words_and_lists_them_all_without(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        write_runbooks(router, tmp_path, {"a.md": SECTIONS, "deploy.md": "# Deploy\n\n## Voltar\nA versão anterior.\n"})
        found = (await router.http.get("/api/v1/runbooks?q=versao")).json()["sections"]
        assert found == [
            {
                "title": "Voltar",
                "path": "deploy.md",
                "anchor": "voltar",
                "url": "http://router.test/runbooks/deploy.md#voltar",
                "hit": "A versão anterior.",
            }
        ]
        assert len((await router.http.get("/api/v1/runbooks")).json()["sections"]) == 8
        assert len((await router.http.get("/api/v1/runbooks?limit=2")).json()["sections"]) == 2
        assert (await router.http.get("/api/v1/runbooks?q=%22%20OR%20*%20)")).json()["sections"] == []
