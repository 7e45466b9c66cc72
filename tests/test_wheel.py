"""What is shipped: the wheel carries all that it needs, and the source archive makes the same wheel."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    _build(ROOT, folder)
    return folder


def test_migrations_templates_static_files_and_sample_runbooks_travel_in_the_wheel(shipped: Path) -> None:
    names = set(_contents(shipped))
    wanted = {
        *(path.relative_to(ROOT).as_posix() for path in (ROOT / "alertrouter").rglob("*") if path.is_file()),
        *(f"alertrouter/bundled_data/runbooks/{path.name}" for path in (ROOT / "runbooks").iterdir()),
        *(f"alertrouter/bundled_data/alembic/versions/{path.name}" for path in (ROOT / "alembic/versions").glob("*.py")),
        "alertrouter/bundled_data/alembic/env.py",
    }
    assert {name for name in wanted if "__pycache__" not in name} <= names
    assert not [name for name in names if name.startswith(("tests/", "alembic/", "runbooks/"))]
    assert next(shipped.glob("*.whl")).stat().st_size < 1_000_000


def test_the_source_archive_makes_the_same_wheel_and_version_without_git(shipped: Path, tmp_path: Path) -> None:
    [archive] = shipped.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    _build(tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path)
    assert [path.name for path in tmp_path.glob("*.whl")] == [path.name for path in shipped.glob("*.whl")]
    assert _contents(tmp_path) == _contents(shipped)


def _build(source: Path, into: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(into)], cwd=source, check=True, capture_output=True, timeout=60
    )


def _contents(folder: Path) -> dict[str, int]:
    """The files of the wheel in a folder, and their checksums, without the list of those."""
    [wheel] = folder.glob("*.whl")
    return {one.filename: one.CRC for one in zipfile.ZipFile(wheel).infolist() if not one.filename.endswith("RECORD")}
