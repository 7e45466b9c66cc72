"""The docs say what the code says."""

import re
import tomllib
from pathlib import Path

import pytest

from tools.reference import PAGES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)")


def test_the_reference_is_what_the_code_makes_it() -> None:
    stale = [name for name, page in PAGES.items() if (DOCS / name).read_text() != page()]
    assert not stale, "run `make reference`"


def test_every_setting_has_a_sentence() -> None:
    text = (DOCS / "reference/settings.md").read_text()
    assert not re.search(r"\|\s*\|$", text, re.MULTILINE)


def test_every_dependency_has_a_reason_in_the_readme() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for name, extra in project["optional-dependencies"].items() if name != "dev" for one in extra),
    ]
    table = (ROOT / "README.md").read_text().partition("## What it stands on")[2].partition("\n## ")[0].lower()
    names = {re.split(r"[^\w.-]", one)[0].removesuffix("-sdk").partition("-exporter")[0] for one in wanted}
    assert {name for name in names if name.lower() not in table} == set()


@pytest.mark.parametrize("path", [path.relative_to(ROOT).as_posix() for path in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]])
def test_links_between_pages_lead_somewhere(path: str) -> None:
    page = ROOT / path
    dead = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert dead == []
