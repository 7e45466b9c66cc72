"""What the tests of the pages share."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a fresh, migrated SQLite database."""
    path = tmp_path / "pages.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"
