"""The runbooks as pages: a list with search, each file, and the way from an alert to its section."""

import asyncio
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from alertrouter.coverage import measure
from alertrouter.runbooks.commands import Values
from alertrouter.runbooks.markdown import parse_tokens
from alertrouter.runbooks.render import to_html
from alertrouter.runbooks.section import Document, Section
from alertrouter.urls import incident_url, section_url
from alertrouter.web.http import service_of
from alertrouter.web.rendering import message, page, prefix_of, readable

_MOST_QUERY = 200
_MARKS = re.compile(r"[\u0300-\u036f]+")
_HEADING = re.compile(r"<h([1-6])>")


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the list and those of its sections that are shown."""

    document: Document
    sections: tuple[Section, ...]


@readable
async def runbooks(request: Request) -> Response:
    """Every file with its headings, or with `?q=` those whose title or text holds it; accents and case do not count."""
    shelf = service_of(request).library.shelf
    query = request.query_params.get("q", "").strip()[:_MOST_QUERY]
    files = await asyncio.to_thread(_listed, shelf.documents, _folded(query))
    return page(request, "runbooks.html", query=query, files=files, errors=shelf.troubles, section_url=section_url)


@readable
async def runbook(request: Request) -> Response:
    """One file, its headings where the anchors of its sections point."""
    path = request.path_params["path"]
    document = next((document for document in service_of(request).library.shelf.documents if document.path == path), None)
    if document is None:
        return message(request, 404, f"There is no file {path} in the runbooks folder.", f"{prefix_of(request)}/runbooks")
    html = await asyncio.to_thread(document_html, document, section_url(prefix_of(request), path, ""))
    return page(request, "runbook.html", document=document, html=html)


@readable
async def runbook_for(request: Request) -> Response:
    """302 to the section of the alert with that name and the labels `?label=k=v`."""
    service = service_of(request)
    alertname = request.path_params["alertname"]
    pairs = (pair.partition("=") for pair in request.query_params.getlist("label"))
    labels = {name: value for name, equals, value in pairs if name and equals} | {"alertname": alertname}
    match = service.library.shelf.index.find(labels, None, service.base_url)
    if match is None:
        how = f"No runbook for {alertname}: add a heading “### {alertname}” to a file in the runbooks folder."
        return message(request, 404, how, f"{prefix_of(request)}/runbooks")
    return RedirectResponse(section_url(prefix_of(request), match.section.path, match.section.anchor), 302)


@readable
async def coverage(request: Request) -> Response:
    """Which alerts have a section, and the names that have none."""
    service = service_of(request)
    found = await asyncio.to_thread(measure, service.database, service.library.shelf.index, service.base_url)
    return page(request, "coverage.html", coverage=found, incident_url=incident_url)


def document_html(document: Document, base: str) -> str:
    """The whole file as safe HTML, relative links starting from `base`; headings carry their sections' anchors as ids."""
    anchors = iter([section.anchor for section in document.sections if section.anchor])
    headings = [token for token in parse_tokens(document.body) if token.type == "heading_open"]
    # Only headings of the top level have sections. Raw HTML is escaped, so that every `<h1>` in the output is one of these.
    ids = iter([next(anchors, "") if token.level == 0 else "" for token in headings])

    def with_id(tag: re.Match[str]) -> str:
        anchor = next(ids, "")
        return f'<h{tag[1]} id="{anchor}">' if anchor else tag[0]

    return _HEADING.sub(with_id, to_html(document.body, Values(), base))


def _listed(documents: Iterable[Document], query: str) -> list[_File]:
    files = (_File(document, _hits(document, query)) for document in sorted(documents, key=lambda document: document.path))
    return [file for file in files if file.sections or not query]


def _hits(document: Document, query: str) -> tuple[Section, ...]:
    """The sections to show, in the order of the file. Text that is found inside a nested section counts there alone."""
    whole, *headed = document.sections
    if not query:
        return tuple(section for section in headed if section.title != document.title)
    hits: list[Section] = []
    for section in reversed([whole, *headed]):
        in_title = query in _folded(section.title)
        if in_title or (query in _folded(section.text) and not any(hit.text in section.text for hit in hits if hit.text)):
            hits.append(section)
    return tuple(reversed(hits))


def _folded(text: str) -> str:
    """Lower case without accents."""
    return text.lower() if text.isascii() else _MARKS.sub("", unicodedata.normalize("NFD", text)).lower()
