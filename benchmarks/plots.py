"""Draws what `growth.py` and `intake.py` kept, as PNG and SVG for the docs. Usage: `make plots`."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from results import kept

FOLDER = Path(__file__).parent.parent / "docs" / "img"
RATE, SLOW = "#1f6feb", "#d1242f"


def main() -> None:
    """Draw."""
    mpl.rcParams.update({"font.size": 8, "svg.hashsalt": "alertrouter", "svg.fonttype": "none"})
    growth: dict[str, list[dict[str, Any]]] = kept("growth")
    figure, axes = plt.subplots(2, 3, figsize=(10, 5.2), layout="constrained")
    for axis, (name, rows) in zip(axes.flat, growth.items(), strict=False):
        _draw(axis, name, rows)
    _bars(axes.flat[5], kept("intake"))
    for kind in ("png", "svg"):
        figure.savefig(FOLDER / f"performance.{kind}", dpi=110, metadata={"Date": None} if kind == "svg" else {"Software": None})


def _draw(axis: Any, name: str, rows: list[dict[str, Any]]) -> None:
    places = range(len(rows))
    axis.plot(places, [row["rate"] for row in rows], "o-", color=RATE)
    axis.set(xlabel=name, xticks=places, xticklabels=[f"{row['x']:,}" for row in rows], ylim=0)
    axis.set_ylabel("requests/s", color=RATE)
    other = axis.twinx()
    other.plot(places, [row["p99"] for row in rows], "s--", color=SLOW)
    other.set_ylim(0)
    other.set_ylabel("p99, ms", color=SLOW)


def _bars(axis: Any, rows: list[dict[str, Any]]) -> None:
    """The ratio to the no-op endpoint, for each kind of notification at 64 connections."""
    shown = [row for row in rows if row["connections"] == 64 and row["endpoint"] != "no-op"]
    labels = [f"{row['kind']}\n{row['endpoint']}" for row in shown]
    axis.bar(range(len(shown)), [row["ratio"] for row in shown], color=RATE)
    axis.set(xticks=range(len(shown)), ylabel="of an endpoint that does nothing")
    axis.set_xticklabels(labels, fontsize=6)


if __name__ == "__main__":
    main()
