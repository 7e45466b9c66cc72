"""The docs say what the code says."""

import re
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


@pytest.mark.parametrize("path", [path.relative_to(ROOT).as_posix() for path in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]])
def test_links_between_pages_lead_somewhere(path: str) -> None:
    page = ROOT / path
    dead = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert dead == []
