"""The docs say what the code says."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from processes import debian
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


@pytest.mark.parametrize("page", ["start.md", "pt/inicio.md", "howto/moving-over.md"])
def test_what_a_page_says_to_put_into_alertmanager_is_taken_there(page: str, tmp_path: Path) -> None:
    *_, block = re.findall(r"^```yaml\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    shown = yaml.safe_load(block)
    config = (
        shown if "route" in shown else {"route": {"receiver": "alertrouter", **shown}, "receivers": [{"name": "alertrouter"}]}
    )
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config))
    command = [debian("amtool"), "check-config", str(tmp_path / "alertmanager.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", [path.relative_to(ROOT).as_posix() for path in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]])
def test_links_between_pages_lead_somewhere(path: str) -> None:
    page = ROOT / path
    dead = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert dead == []
