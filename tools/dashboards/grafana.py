"""What Grafana wants of a dashboard: panels in a grid of 24 columns, as the classic JSON model that file provisioning reads."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
"""The data source of every query, as deploy/grafana/provisioning names it."""
_COLUMNS = 24
_BUILT_IN = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}


@dataclass(frozen=True)
class Query:
    """PromQL, what a series is called, and whether its exemplars are shown."""

    expr: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True)
class Panel:
    """One picture. `steps` are (from this value, colour); `runbook` is the alert whose section helps."""

    title: str
    unit: str
    description: str
    queries: Sequence[Query]
    steps: Sequence[tuple[float, str]] = ()
    below: str = "green"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    stacked: bool = False
    runbook: str = ""
    most: float | None = None


def number(title: str, unit: str, description: str, expr: str, *, width: int = 4, **more: Any) -> Panel:
    """A panel that is one figure, with its past behind it."""
    return Panel(title, unit, description, [Query(expr)], kind="stat", width=width, height=4, **more)


@dataclass(frozen=True)
class Row:
    """Panels under a title."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Choice:
    """A variable that is chosen from the values of a label."""

    name: str
    label: str
    values: str


@dataclass(frozen=True)
class Episodes:
    """Annotations: the times at which a query has a value."""

    name: str
    expr: str
    title: str
    text: str


@dataclass(frozen=True)
class Dashboard:
    """A page of Grafana; `uid` is its address."""

    uid: str
    title: str
    description: str
    choices: Sequence[Choice]
    episodes: Sequence[Episodes]
    rows: Sequence[Row]

    def to_json(self) -> str:
        """The text of its file."""
        page = {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["alertrouter"],
            "schemaVersion": 39,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "links": list(_links()),
            "templating": {"list": [_address(), *(_variable(one) for one in self.choices)]},
            "annotations": {"list": [_BUILT_IN, *(_annotation(one) for one in self.episodes)]},
            "panels": list(_panels(self.rows)),
        }
        return json.dumps(page, indent=1, ensure_ascii=False) + "\n"


def _links() -> Iterator[dict[str, Any]]:
    for title, path in (("On-call page", "/"), ("Runbooks", "/runbooks"), ("Report", "/report")):
        yield {
            "type": "link",
            "title": title,
            "url": f"${{router}}{path}",
            "icon": "external link",
            "targetBlank": True,
            "tags": [],
        }
    yield {"type": "dashboards", "title": "Dashboards", "tags": ["alertrouter"], "keepTime": True, "asDropdown": True}


def _address() -> dict[str, Any]:
    """Where people find alertrouter, for the links."""
    value = {"text": "http://localhost:8080", "value": "http://localhost:8080"}
    return {
        "type": "textbox",
        "name": "router",
        "label": "Address of alertrouter",
        "query": value["value"],
        "current": value,
        "options": [{**value, "selected": True}],
    }


def _variable(choice: Choice) -> dict[str, Any]:
    return {
        "type": "query",
        "name": choice.name,
        "label": choice.label,
        "datasource": PROMETHEUS,
        "definition": choice.values,
        "query": {"query": choice.values, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _annotation(episodes: Episodes) -> dict[str, Any]:
    return {
        "name": episodes.name,
        "datasource": PROMETHEUS,
        "enable": True,
        "iconColor": "red",
        "expr": episodes.expr,
        "step": "30s",
        "titleFormat": episodes.title,
        "textFormat": episodes.text,
    }


def _panels(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Rows from the top, panels from the left; a line is as high as its first panel."""
    y, number_of = 0, iter(range(1, 1000))
    for row in rows:
        yield {
            "id": next(number_of),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": _place(0, y, _COLUMNS, 1),
            "panels": [],
        }
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > _COLUMNS:
                x, y = 0, y + height
            height = panel.height if x == 0 else height
            yield {"id": next(number_of), **_panel(panel), "gridPos": _place(x, y, panel.width, panel.height)}
            x += panel.width
        y += height


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    steps = [{"color": panel.below, "value": None}, *({"color": color, "value": value} for value, color in panel.steps)]
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    defaults |= {} if panel.most is None else {"min": 0, "max": panel.most}
    custom, options = _number_looks() if panel.kind == "stat" else _curve_looks(panel)
    defaults |= {"custom": custom} if custom else {}
    runbook = {"title": "Runbook", "url": f"${{router}}/runbooks/for/{panel.runbook}", "targetBlank": True}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": PROMETHEUS,
        "targets": [_target(letter, query) for letter, query in zip("ABCDEF", panel.queries, strict=False)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "links": [runbook] if panel.runbook else [],
    }


def _target(letter: str, query: Query) -> dict[str, Any]:
    return {
        "refId": letter,
        "datasource": PROMETHEUS,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "range": True,
        **({"exemplar": True} if query.exemplars else {}),
    }


def _number_looks() -> tuple[dict[str, Any], dict[str, Any]]:
    calculation = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    return {}, {"colorMode": "value", "graphMode": "area", "textMode": "auto", "reduceOptions": calculation}


def _curve_looks(panel: Panel) -> tuple[dict[str, Any], dict[str, Any]]:
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 25 if panel.stacked else 8,
        "showPoints": "never",
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
    }
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    return custom, {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
