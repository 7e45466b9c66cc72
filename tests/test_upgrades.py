"""Migrations with several replicas: all start at once on nothing, and an older version runs beside this one on its schema."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from alertrouter.store import migrations
from alertrouter.store.database import Database
from processes import Process, Router, Sandbox, ending, notification, wait_for

ROOT = Path(__file__).parent.parent


def test_replicas_that_start_at_once_on_an_empty_database_migrate_it_once(empty_postgres_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "alertrouter.cli", "db", "upgrade"]
    env = {"ALERTROUTER_DATABASE_URL": empty_postgres_url}
    at_once = [Process(command, env, tmp_path / f"{number}.log") for number in range(3)]
    codes = [process.popen.wait(60) for process in at_once]
    assert codes == [0, 0, 0], "\n".join(process.log.read_text() for process in at_once)
    database = Database(empty_postgres_url)
    assert migrations.is_current(database.engine)
    database.close()
    assert revision(empty_postgres_url)


def revision(url: str) -> str:
    """The one revision that a database is at."""
    with psycopg.connect(url) as connection:
        [(found,)] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return str(found)


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, timeout=60).stdout


def before_the_last_migration() -> str:
    """The commit before the one that added the last migration. Where there is no history the test skips, loudly."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("there is no git history to build an older version from")
    last = max((ROOT / "alembic" / "versions").glob("*.py")).relative_to(ROOT).as_posix()
    commits = git("log", "--diff-filter=A", "--format=%H", "--", last).decode().split()
    if not commits or not git("rev-list", "--parents", "-n1", commits[-1]).decode().split()[1:]:
        pytest.skip("the git history does not go back to before the last migration")
    return f"{commits[-1]}^"


def installed(commit: str, folder: Path) -> Path:
    """A folder to put first on PYTHONPATH: the wheel of a commit, built by itself and unpacked."""
    source, wheels, site = folder / "source", folder / "wheels", folder / "site"
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as archive:
        archive.extractall(source, filter="data")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    env = {**os.environ, "SETUPTOOLS_SCM_PRETEND_VERSION": "0.0.0"}  # an archive has no history to read a version from
    subprocess.run(build, cwd=source, env=env, check=True, capture_output=True, timeout=120)
    [wheel] = wheels.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    return site


@pytest.mark.chaos
def test_the_version_before_the_last_migration_and_this_one_page_beside_each_other(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    site = installed(before_the_last_migration(), tmp_path)
    folders = [tmp_path / name for name in ("old", "new")]
    for folder in folders:
        folder.mkdir()
    sandbox = Sandbox(tmp_path)
    with ending(sandbox):
        settings = {"ALERTROUTER_RESOLVE_HOLD": "0s"}
        first = {"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}  # before the folder that the tests run in
        old = Router(folders[0], sandbox.url, empty_postgres_url, **first, **settings)
        with ending(old):
            older = revision(empty_postgres_url)
            [before] = old.post(notification("NoRunbook", group="before")).json()["incidents"]
            new = Router(folders[1], sandbox.url, empty_postgres_url, **settings)  # migrates under the old one
            with ending(new):
                assert older < revision(empty_postgres_url)
                opened = [before]
                for number in range(20):
                    taker, other = (old, new) if number % 2 else (new, old)
                    body = notification("NoRunbook", group=f"g{number}", instance=f"{number}")
                    [incident] = taker.post(body).json()["incidents"]
                    assert other.post(body).json()["incidents"] == [incident]
                    opened.append(incident)
                wait_for("every page", lambda: len(sandbox.alerts()) == len(opened), 60)
                for number in range(20):
                    taker = new if number % 2 else old
                    body = notification("NoRunbook", group=f"g{number}", instance=f"{number}", firing=False)
                    assert taker.post(body).is_success
                old.post(notification("NoRunbook", group="before", firing=False))
                wait_for("every end", lambda: {one["status"] for one in sandbox.alerts()} == {"resolved"}, 60)
                wanted = [(action, incident) for incident in opened for action in ("trigger", "resolve")]
                assert Counter(sandbox.actions()) == Counter(wanted)
                assert new.process.popen.poll() is None
                assert old.process.popen.poll() is None
