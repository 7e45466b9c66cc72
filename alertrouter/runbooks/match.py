"""Which section belongs to an alert, and why."""

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

from alertrouter.runbooks.section import Document, Section

_MOST_URLS = 1024


@dataclass(frozen=True, slots=True)
class Match:
    """A section and one sentence that says why it is the one."""

    section: Section
    why: str


class Index:
    """The sections of all documents, ready to be looked up by alert; `sections` has them in the order of the documents."""

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self._places: dict[tuple[str, str], Section] = {}
        self._headings: dict[str, list[Match]] = {}
        self._files: dict[str, Match] = {}
        self.sections = tuple(section for document in documents for section in document.sections)
        for section in sorted(self.sections, key=lambda section: (-len(section.labels), section.path, section.line)):
            self._places[section.path, section.anchor.casefold()] = section
            if not section.anchor:
                why = f"The file {section.path} is named after the alert."
                self._files.setdefault(section.alertname.casefold(), Match(section, why))
            elif section.alertname:
                self._headings.setdefault(section.alertname.casefold(), []).append(Match(section, _heading_why(section)))

    def find(self, labels: Mapping[str, str], annotations: Mapping[str, str] | None = None, public_url: str = "") -> Match | None:
        """The section for an alert with these labels and annotations, None if there is none.

        In this order: its `runbook_url`, if that is a place under `{public_url}/runbooks/` or a relative path that ends with
        a known file; a heading that names the alert, with the most labels, all of which the alert has; a file named after it.
        """
        pointed = self._pointed((annotations or {}).get("runbook_url", ""), public_url, labels)
        if pointed:
            return pointed
        return self._named(labels)

    def _named(self, labels: Mapping[str, str]) -> Match | None:
        alertname = labels.get("alertname", "").casefold()
        return _first_fitting(self._headings.get(alertname, ()), labels) or self._files.get(alertname)

    def at(self, path: str, anchor: str) -> Section | None:
        """The section at a place."""
        return self._places.get((path, anchor.casefold()))

    def leads_nowhere(self, url: str, public_url: str = "") -> bool:
        """Whether a `runbook_url` points into this service or folder, and there is nothing."""
        return _place(url, public_url) is not None and self._pointed(url, public_url, {}) is None

    def _pointed(self, url: str, public_url: str, labels: Mapping[str, str]) -> Match | None:
        """Follow `runbook_url`; one that names a file only means the alert's heading in it, if it has one."""
        place = _place(url, public_url)
        if place is None:
            return None
        path, anchor, asked = place
        if path.startswith("for/"):
            found = self._named({**labels, **asked, "alertname": path.removeprefix("for/")})
            return found and Match(found.section, f"The alert's runbook_url asks for {path.removeprefix('for/')}.")
        known = self._known(path, anchor)
        section = self._places.get((known, anchor)) if known else None
        if section is None:
            return None
        headings = self._headings.get(labels.get("alertname", "").casefold(), ()) if not anchor else ()
        own = _first_fitting([heading for heading in headings if heading.section.path == known], labels)
        return Match(own.section if own else section, f"The alert's runbook_url points to {url.strip()}.")

    def _known(self, path: str, anchor: str) -> str | None:
        """The file that a path ends with. Of a longer path a name alone is no sign: every folder may have a README.md."""
        parts = path.split("/")
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((end for end in ends if (end, "") in self._places and ("/" in end or end == path or anchor)), None)


@lru_cache(_MOST_URLS)
def _place(url: str, public_url: str) -> tuple[str, str, Mapping[str, str]] | None:
    """Path, anchor and asked labels of a URL into this service or folder; None for one that leads elsewhere."""
    own = public_url.rstrip("/") + "/runbooks/"
    url = url.strip()
    relative = url.removeprefix(own) if public_url else url
    try:
        parts = urlsplit(relative)
        pairs = [value.partition("=") for name, value in parse_qsl(parts.query) if name == "label"]
    except ValueError:
        return None
    if not parts.path or parts.scheme or parts.netloc:
        return None
    path = posixpath.normpath(unquote(parts.path)).lstrip("/")
    return path, unquote(parts.fragment).casefold(), {name: value for name, _, value in pairs if name}


def _first_fitting(headings: Iterable[Match], labels: Mapping[str, str]) -> Match | None:
    return next((found for found in headings if found.section.labels.items() <= labels.items()), None)


def _heading_why(section: Section) -> str:
    labels = ", ".join(f'{name}="{value}"' for name, value in section.labels.items())
    has = f" and the alert has {labels}" if labels else ""
    return f"The heading at {section.path}:{section.line} names the alert{has}."
