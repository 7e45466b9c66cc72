"""The pictures of the report, as SVG that is readable on dark and light."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from alertrouter.report import Figures
from alertrouter.web.languages import Say

_LONGEST_NAME = 28
_DARK = """inline:
@media (prefers-color-scheme: dark) {
  {{ id }} text, {{ id }} .legends .legend text, {{ id }} .axis text { fill: #e7e5e1 !important; }
  {{ id }} .axis .line, {{ id }} .axis .guide.line { stroke: #5a6068 !important; }
}"""


def by_week(weeks: Sequence[tuple[date, Figures]], say: Say) -> bytes:
    """Pages of each week, those at night apart."""
    chart = _chart("StackedBar", say, height=300, x_label_rotation=30)
    chart.x_labels = [week.isoformat()[5:] for week, _ in weeks]
    chart.add(say("by day"), [one.pages - one.pages_at_night for _, one in weeks])
    chart.add(say("at night"), [one.pages_at_night for _, one in weeks])
    svg: bytes = chart.render()
    return svg


def by_alert(alerts: Sequence[tuple[str, Figures]], say: Say) -> bytes:
    """Incidents of the alerts that page most, noise apart."""
    upwards = list(reversed(alerts))
    chart = _chart("HorizontalStackedBar", say, height=120 + 32 * max(len(upwards), 1))
    chart.x_labels = [_short(name) for name, _ in upwards]
    chart.add(say("somebody did something"), [one.incidents - one.noise for _, one in upwards])
    chart.add(say("went away by itself"), [one.noise for _, one in upwards])
    svg: bytes = chart.render()
    return svg


def _chart(kind: str, say: Say, **given: Any) -> Any:
    import pygal  # noqa: PLC0415 - a fifth of a second that only the report needs
    from pygal.style import Style  # noqa: PLC0415

    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="#1f2328",
        foreground_strong="#1f2328",
        foreground_subtle="#57606a",
        colors=("#3b82c4", "#d9822b"),
        opacity="1",
        font_family="system-ui, sans-serif",
        label_font_size=13,
        major_label_font_size=13,
        legend_font_size=14,
        no_data_font_size=20,
    )
    chart = getattr(pygal, kind)(
        style=style,
        css=["file://style.css", "file://graph.css", _DARK],
        js=[],
        width=760,
        legend_at_bottom=True,
        no_data_text=say("no page in these weeks"),
        disable_xml_declaration=False,
        order_min=0,
        **given,
    )
    chart.add_xml_filter(_without_scripts)
    return chart


def _without_scripts(root: Any) -> Any:
    """A picture runs none."""
    for holder in list(root.iter()):
        for script in [child for child in holder if str(child.tag).endswith("script")]:
            holder.remove(script)
    return root


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
