"""The pictures of the report, as SVG that is readable on dark and light, and by a screen reader."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from alertrouter.report import Figures
from alertrouter.web.languages import Say

_LONGEST_NAME = 20
_MOST_WEEKS_NAMED = 8
# What is inline gets no `{{ id }}` from pygal; a picture is a document of its own and needs none.
_LOOK = """inline:
.axis .guide.line { stroke: #c9cdd2 !important; }
@media (prefers-color-scheme: dark) {
  text { fill: #e7e5e1 !important; }
  .axis .line, .axis .guide.line { stroke: #5a6068 !important; }
}"""


def by_week(weeks: Sequence[tuple[date, Figures]], say: Say) -> bytes:
    """Pages of each week, those at night apart."""
    every = -(-len(weeks) // _MOST_WEEKS_NAMED)
    chart = _chart("StackedBar", say, height=250, x_label_rotation=30, x_labels_major_every=every, show_minor_x_labels=every == 1)
    rows = [(_day(week, say), one.pages - one.pages_at_night, one.pages_at_night) for week, one in weeks]
    return _drawn(chart, say("Pages by week"), say("by day"), say("at night"), rows)


def by_alert(alerts: Sequence[tuple[str, Figures]], say: Say) -> bytes:
    """Incidents of the alerts that page most, noise apart."""
    chart = _chart("HorizontalStackedBar", say, height=110 + 28 * max(len(alerts), 1), legend_at_bottom_columns=1)
    upwards = [(_short(name), one.incidents - one.noise, one.noise) for name, one in reversed(alerts)]
    return _drawn(chart, say("Incidents by alert"), say("somebody did something"), say("went away by itself"), upwards)


def _chart(kind: str, say: Say, **given: Any) -> Any:
    import pygal  # noqa: PLC0415 - a fifth of a second that only the report needs
    from pygal.style import Style  # noqa: PLC0415

    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="#1f2328",
        foreground_strong="#1f2328",
        foreground_subtle="#57606a",
        colors=("#3b82c4", "#c8701a"),
        opacity="1",
        font_family="system-ui, sans-serif",
        label_font_size=13,
        major_label_font_size=13,
        legend_font_size=14,
        no_data_font_size=20,
    )
    return getattr(pygal, kind)(
        style=style,
        css=["file://style.css", "file://graph.css", _LOOK],
        js=[],
        width=480,
        legend_at_bottom=True,
        truncate_legend=-1,
        no_data_text=say("no page in these weeks"),
        disable_xml_declaration=False,
        order_min=0,
        **given,
    )


def _drawn(chart: Any, title: str, first: str, second: str, rows: Sequence[tuple[str, int, int]]) -> bytes:
    """The picture of rows of a label and two figures, which its description tells in words."""

    def describe(root: Any) -> Any:
        shown = root.find("{*}title")
        shown.text = title
        told = root.makeelement("desc", {})
        told.text = "; ".join(f"{label}: {one} {first}, {other} {second}" for label, one, other in rows)
        root.insert(list(root).index(shown) + 1, told)
        root.set("role", "img")
        return _without_scripts(root)

    chart.x_labels = [label for label, _, _ in rows]
    chart.add(first, [one for _, one, _ in rows])
    chart.add(second, [other for _, _, other in rows])
    chart.add_xml_filter(describe)
    svg: bytes = chart.render()
    return svg


def _without_scripts(root: Any) -> Any:
    """A picture runs none."""
    for holder in list(root.iter()):
        for script in [child for child in holder if str(child.tag).endswith("script")]:
            holder.remove(script)
    return root


def _day(day: date, say: Say) -> str:
    months = say("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec").split()
    return say("%(month)s %(day)s") % {"month": months[day.month - 1], "day": day.day}


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
