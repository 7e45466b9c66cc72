"""The wheel carries all that it needs."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_migrations_templates_static_files_and_sample_runbooks_travel_in_the_wheel(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        *(path.relative_to(ROOT).as_posix() for path in (ROOT / "alertrouter").rglob("*") if path.is_file()),
        *(f"alertrouter/bundled_data/runbooks/{path.name}" for path in (ROOT / "runbooks").iterdir()),
        *(f"alertrouter/bundled_data/alembic/versions/{path.name}" for path in (ROOT / "alembic/versions").glob("*.py")),
        "alertrouter/bundled_data/alembic/env.py",
    }
    assert {name for name in wanted if "__pycache__" not in name} <= names
    assert not [name for name in names if name.startswith(("tests/", "alembic/", "runbooks/"))]
    assert wheel.stat().st_size < 1_000_000
