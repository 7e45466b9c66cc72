"""Brings the pages' catalogues up to their texts, and compiles them: `make translations`."""

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent / "alertrouter"
CATALOGUES = sorted((ROOT / "web/locale").glob("*/LC_MESSAGES/alertrouter.po"))
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_METHODS = [("**.py", "python"), ("web/templates/sandbox.html", "ignore"), ("web/templates/**.html", "jinja2")]
_REFUSALS = ("RefusalError", "RefusedValueError", "BadLinkError", "NothingLeftError", "NotPossibleError")
_UNKNOWN = ("UnknownIncidentError", "UnknownDeliveryError")
_KEYWORDS = {"say": None, "_": None, "gettext": None, "ngettext": (1, 2), "Refusal": (2,), **dict.fromkeys(_REFUSALS + _UNKNOWN)}
_OPTIONS = {"**.html": {"trimmed": "true", "newstyle_gettext": "true", "encoding": "utf-8"}}


def extracted() -> Catalog:
    """Every text that is marked for translation."""
    catalogue = Catalog(charset="utf-8", creation_date=_SOME_DAY)
    for file, line, text, comments, context in extract_from_dir(ROOT, _METHODS, _OPTIONS, _KEYWORDS):
        catalogue.add(text, None, [(file, line)], auto_comments=comments, context=context)
    return catalogue


def read(path: Path) -> Catalog:
    """A catalogue as its translators left it; its header says nothing that changes by itself."""
    with path.open("rb") as opened:
        catalogue = read_po(opened, locale=path.parent.parent.name)
    catalogue.project, catalogue.version = "alertrouter", "1"
    catalogue.creation_date = catalogue.revision_date = _SOME_DAY
    catalogue.msgid_bugs_address = catalogue.last_translator = catalogue.language_team = ""
    catalogue.header_comment = "#"
    return catalogue


def compiled(catalogue: Catalog) -> bytes:
    """What gettext reads."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def updated(catalogue: Catalog, texts: Catalog) -> Catalog:
    """The catalogue with the texts that there are; what is new is not translated, what is gone is left out."""
    catalogue.update(texts, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


def main(paths: Iterable[Path] = CATALOGUES) -> None:
    """Write all catalogues anew."""
    texts = extracted()
    for path in paths:
        catalogue = updated(read(path), texts)
        with path.open("wb") as out:
            write_po(out, catalogue, width=120, no_location=True, omit_header=False, sort_output=True)
        path.with_suffix(".mo").write_bytes(compiled(catalogue))


if __name__ == "__main__":
    main()
