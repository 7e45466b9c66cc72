"""Edits on disk reach the running service within seconds, whole or not at all, and without a restart."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from dulwich import porcelain

from processes import notification
from serving import Running, running, until

WHO = b"Ana <ana@example.com>"


def section_of(router: Running, alertname: str) -> str | None:
    match = router.service.playbook.index.find({"alertname": alertname})
    return match.section.text if match else None


def has(router: Running, alertname: str, text: str | None) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        await asyncio.sleep(0)
        return section_of(router, alertname) == text

    return probe


async def test_an_edit_an_addition_and_a_deletion_are_picked_up(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        folder = tmp_path / "runbooks"
        (folder / "servico.md").write_text("# HighErrorRate\n\nEdited.\n")
        await until(has(router, "HighErrorRate", "Edited."))
        (folder / "deep").mkdir()
        (folder / "deep" / "Added.md").write_text("# Added\n\nNew.\n")
        await until(has(router, "Added", "New."))
        (folder / "deep" / "Added.md").unlink()
        await until(has(router, "Added", None))
        shutil.rmtree(folder)
        await until(lambda: asyncio.sleep(0.05, router.service.library.shelf.troubles))
        assert section_of(router, "HighErrorRate") == "Edited."
        folder.mkdir()
        (folder / "a.md").write_text("# HighErrorRate\n\nBack.\n")
        await until(has(router, "HighErrorRate", "Back."))


async def test_a_pull_takes_all_of_its_files_and_the_commit(url: str, tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    porcelain.init(str(origin))
    for number in range(20):
        (origin / f"Alert{number}.md").write_text(f"# Alert{number}\n\nOne.\n")
    porcelain.add(str(origin))
    porcelain.commit(str(origin), message=b"one", author=WHO, committer=WHO)
    folder = tmp_path / "checkout"
    porcelain.clone(str(origin), str(folder)).close()
    async with running(url, tmp_path, {"ALERTROUTER_RUNBOOKS_DIR": str(folder)}) as router:
        for number in range(20):
            (origin / f"Alert{number}.md").write_text(f"# Alert{number}\n\nTwo.\n")
        porcelain.add(str(origin))
        second = porcelain.commit(str(origin), message=b"two", author=WHO, committer=WHO).decode()
        await asyncio.to_thread(porcelain.pull, str(folder), str(origin))
        await until(lambda: asyncio.sleep(0.05, all(one.commit == second for one in router.service.playbook.index.sections)))
        assert {section_of(router, f"Alert{number}") for number in range(20)} == {"Two."}


async def test_a_configmap_that_kubernetes_swaps_is_read_anew(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    for version in ("one", "two"):
        (folder / f"..{version}").mkdir(parents=True)
        (folder / f"..{version}" / "a.md").write_text(f"# Alert\n\nVersion {version}.\n")
    (folder / "..data").symlink_to("..one")
    (folder / "a.md").symlink_to("..data/a.md")
    async with running(url, tmp_path, {"ALERTROUTER_RUNBOOKS_DIR": str(folder)}) as router:
        assert section_of(router, "Alert") == "Version one."
        (folder / "..data_tmp").symlink_to("..two")
        (folder / "..data_tmp").rename(folder / "..data")
        await until(has(router, "Alert", "Version two."))


async def test_a_broken_edit_keeps_the_last_good_version_and_is_told_on_the_pages_and_in_the_metrics(
    url: str, tmp_path: Path
) -> None:
    async with running(url, tmp_path) as router:
        (tmp_path / "runbooks" / "servico.md").write_bytes(b"# HighErrorRate\n\xff")
        await until(lambda: asyncio.sleep(0.05, router.service.library.shelf.troubles))
        assert "kubectl logs" in str(section_of(router, "HighErrorRate"))
        assert "1 problem with runbook files" in (await router.http.get("/")).text
        assert "servico.md:2: not UTF-8; what was read before still counts" in (await router.http.get("/runbooks")).text
        assert "alertrouter_runbook_problems 1.0" in (await router.http.get("/metrics")).text
        assert (await router.http.get("/readyz")).status_code == 200


async def test_several_folders_are_watched(url: str, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    async with running(url, tmp_path, {"ALERTROUTER_RUNBOOKS_DIR": f"{folders[0]}, {folders[1]}"}) as router:
        for folder in folders:
            (folder / f"{folder.name}.md").write_text(f"# In {folder.name}\n\nHere.\n")
        await until(has(router, "In one", "Here."))
        await until(has(router, "In two", "Here."))


async def test_pages_are_taken_while_hostile_runbooks_are_read(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        for number in range(2):
            (tmp_path / "runbooks" / f"{number}.md").write_text("- x\n" * 30_000 + "![" * 100_000)
        while len(router.service.library.shelf.documents) < 3:
            answer = await asyncio.wait_for(router.post(notification()), 5)
            assert answer.status_code == 200
