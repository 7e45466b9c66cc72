"""Which alerts wake people: a page with pictures, and the same as CSV and JSON."""

import asyncio
import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alertrouter.report import Figures, Report, mondays_until, report
from alertrouter.service import Service
from alertrouter.store import episodes
from alertrouter.web import charts
from alertrouter.web.api import with_token
from alertrouter.web.http import read_query, service_of
from alertrouter.web.rendering import page, readable, say_to
from alertrouter.web.schema import RefusedValueError

_MOST_ALERTS = 50
_IN_PICTURE = 10


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise RefusedValueError("%(given)s is not a time zone such as America/Sao_Paulo", given=repr(name[:60]))
    return name


class Wanted(BaseModel):
    """How many weeks back, this one included, and by whose calendar and nights."""

    weeks: Annotated[int, Field(ge=1, le=53)] = 8
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"


async def _show(request: Request) -> Response:
    wanted, found = await _report(request)
    query = request.url.query
    return page(
        request,
        "report.html",
        wanted=wanted,
        report=found,
        alerts=found.alerts[:_MOST_ALERTS],
        query=f"?{query}" if query else "",
    )


async def _weeks_picture(request: Request) -> Response:
    _, found = await _report(request)
    return _picture(await asyncio.to_thread(charts.by_week, found.weeks, say_to(request)))


async def _alerts_picture(request: Request) -> Response:
    _, found = await _report(request)
    return _picture(await asyncio.to_thread(charts.by_alert, found.alerts[:_IN_PICTURE], say_to(request)))


async def _csv(request: Request) -> Response:
    _, found = await _report(request)
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["by", "name", *(field.name for field in fields(Figures))])
    for by, name, figures in _rows(found):
        rows.writerow([by, _cell(name), *asdict(figures).values()])
    headers = {"Content-Disposition": 'attachment; filename="alertrouter-report.csv"'}
    return Response(out.getvalue(), media_type="text/csv", headers=headers)


async def _json(request: Request) -> Response:
    wanted, found = await _report(request)
    told: dict[str, Any] = {"zone": wanted.zone, "total": asdict(found.total)}
    told["weeks"] = [{"week": week.isoformat(), **asdict(figures)} for week, figures in found.weeks]
    told["alerts"] = [{"alertname": name, **asdict(figures)} for name, figures in found.alerts]
    return JSONResponse(told)


async def _report(request: Request) -> tuple[Wanted, Report]:
    wanted = read_query(request, Wanted)
    return wanted, await asyncio.to_thread(_read, service_of(request), wanted)


def _read(service: Service, wanted: Wanted) -> Report:
    zone = ZoneInfo(wanted.zone)
    mondays = mondays_until(service.database.read_now().astimezone(zone).date(), wanted.weeks)
    with service.database.read() as session:
        return report(episodes.since(session, datetime.combine(mondays[0], time(), zone)), mondays, zone)


def _rows(found: Report) -> Sequence[tuple[str, str, Figures]]:
    return [
        ("total", "", found.total),
        *(("week", week.isoformat(), figures) for week, figures in found.weeks),
        *(("alert", name, figures) for name, figures in found.alerts),
    ]


def _cell(text: str) -> str:
    """A spreadsheet takes what begins like a formula for one."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _picture(svg: bytes) -> Response:
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "private, max-age=60", "Vary": "Accept-Language"})


routes = [
    Route("/report", readable(_show)),
    Route("/report/weeks.svg", readable(_weeks_picture)),
    Route("/report/alerts.svg", readable(_alerts_picture)),
    Route("/report.csv", with_token(_csv)),
    Route("/report.json", with_token(_json)),
]
