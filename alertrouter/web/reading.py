"""The runbooks as pages: a list with search, each file, and the way from an alert to its section."""

import asyncio
import re
from collections.abc import Sequence

from sqlalchemy.exc import DBAPIError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from alertrouter.coverage import measure
from alertrouter.runbooks.checkout import LastChange
from alertrouter.runbooks.commands import Values
from alertrouter.runbooks.markdown import parse_tokens
from alertrouter.runbooks.render import to_html
from alertrouter.runbooks.section import Document
from alertrouter.service import Service
from alertrouter.store import queries
from alertrouter.store.database import UnavailableError, is_unavailable
from alertrouter.tables import IncidentRow
from alertrouter.urls import incident_url, section_url
from alertrouter.web.http import service_of
from alertrouter.web.rendering import message, page, prefix_of, readable, say_to

_MOST_QUERY = 200
_MOST_HITS = 50
_MOST_USES = 10
_HEADING = re.compile(r"<h([1-6])>")


@readable
async def runbooks(request: Request) -> Response:
    """Every file with its headings, or with `?q=` the sections that hold each of its words; accents and case do not count."""
    shelf = service_of(request).library.shelf
    query = request.query_params.get("q", "").strip()[:_MOST_QUERY]
    hits = await asyncio.to_thread(lambda: shelf.search.find(query, _MOST_HITS))
    files = sorted(shelf.documents, key=lambda document: document.path)
    return page(request, "runbooks.html", query=query, hits=hits, files=files, errors=shelf.troubles, section_url=section_url)


@readable
async def runbook(request: Request) -> Response:
    """One file, its headings where the anchors of its sections point."""
    path = request.path_params["path"]
    document = next((document for document in service_of(request).library.shelf.documents if document.path == path), None)
    if document is None:
        say = say_to(request)
        why = say("There is no file %(path)s in the runbooks folder.") % {"path": path}
        return message(request, 404, why, f"{prefix_of(request)}/runbooks")
    html, uses, changed = await asyncio.to_thread(_read, service_of(request), document, prefix_of(request))
    return page(
        request,
        "runbook.html",
        document=document,
        html=html,
        uses=uses,
        changed=changed,
        section_url=section_url,
        incident_url=incident_url,
    )


@readable
async def runbook_for(request: Request) -> Response:
    """302 to the section of the alert with that name and the labels `?label=k=v`."""
    service = service_of(request)
    alertname = request.path_params["alertname"]
    pairs = (pair.partition("=") for pair in request.query_params.getlist("label"))
    labels = {name: value for name, equals, value in pairs if name and equals} | {"alertname": alertname}
    match = service.library.shelf.index.find(labels, None, service.base_url)
    if match is None:
        say = say_to(request)
        how = say("No runbook for %(name)s: add a heading “### %(name)s” to a file in the runbooks folder.")
        return message(request, 404, how % {"name": alertname}, f"{prefix_of(request)}/runbooks")
    return RedirectResponse(section_url(prefix_of(request), match.section.path, match.section.anchor), 302)


@readable
async def coverage(request: Request) -> Response:
    """Which alerts have a section, and the names that have none."""
    service = service_of(request)
    found = await asyncio.to_thread(measure, service.database, service.library.shelf.index, service.base_url)
    return page(request, "coverage.html", coverage=found, incident_url=incident_url)


def _read(service: Service, document: Document, prefix: str) -> tuple[str, Sequence[IncidentRow], LastChange | None]:
    """The file as HTML, the last incidents that were opened with a section of it, and who changed it last.

    A runbook can be read while the database is away.
    """
    html = document_html(document, section_url(prefix, document.path, ""))
    changed = service.library.last_change(document.path)
    try:
        with service.database.read() as session:
            return html, queries.opened_with(session, document.path, _MOST_USES), changed
    except (DBAPIError, UnavailableError) as problem:
        if not is_unavailable(problem):
            raise
        return html, (), changed


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
