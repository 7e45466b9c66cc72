"""`alertrouter incidents watch`: a board of the open incidents in the terminal."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from alertrouter.commands.console import COLOURS, NoAnswerError, plain

_ORDER = list(COLOURS)
_NARROW = 70
"""Columns of a terminal that leave no room for a table."""
Incidents = list[dict[str, Any]]


def show_board(look: Callable[[], Incidents], every: float) -> None:
    """Show what `look` gives, every so many seconds, until Ctrl-C; what it gave last while it raises NoAnswerError.

    Raises NoAnswerError if it never gave anything.
    """
    console = Console()
    incidents, seen, trouble = look(), datetime.now(UTC), ""
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live, suppress(KeyboardInterrupt):
        while True:
            live.update(_board(incidents, seen, trouble, console.width), refresh=True)
            time.sleep(every)
            try:
                incidents, seen, trouble = look(), datetime.now(UTC), ""
            except NoAnswerError as problem:
                trouble = str(problem)


def _board(incidents: Incidents, seen: datetime, trouble: str, width: int) -> Group:
    now = datetime.now(UTC)
    head = Text(f"{len(incidents)} open", style="bold").append(f"  {seen:%H:%M:%S} UTC", style="dim")
    table = Table(expand=True, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_header=width >= _NARROW, show_lines=width < _NARROW)
    for name in ("severity", "what", "for", "who has it", "next") if width >= _NARROW else ("what",):
        table.add_column(name, no_wrap=name != "what", ratio=1 if name == "what" else None)
    for one in sorted(incidents, key=lambda one: (_ORDER.index(one["severity"]), one["opened_at"])):
        cells = _cells(one, now)
        if width >= _NARROW:
            table.add_row(*cells)
        else:
            severity, title, *rest = cells
            table.add_row(Text(" ").join([severity, title]).append("\n").append_text(Text(" · ").join(filter(None, rest))))
    return Group(head, *([Text(f"This is how it was then: {trouble}", style="bold red")] if trouble else []), table)


def _cells(one: dict[str, Any], now: datetime) -> list[Text]:
    """Severity, title, age, who has it, and what is next."""
    who = one["acknowledged_by"]
    return [
        Text(one["severity"], style=COLOURS[one["severity"]]),
        Text(plain(one["title"])),
        Text(_minutes(now - datetime.fromisoformat(one["opened_at"]))),
        Text(plain(who or "nobody"), style="" if who else "bold"),
        Text(_next(one, now)),
    ]


def _next(one: dict[str, Any], now: datetime) -> str:
    """The step that is due next: to whom, and in how long; empty if there is none."""
    escalation = one["escalation"]
    if not escalation["due_at"]:
        return ""
    left = (step for step in escalation["policy"][escalation["step"] :] if step["unless"] != one["status"])
    target = next((step["to"] for step in left), "")
    return f"{target} in {_minutes(datetime.fromisoformat(escalation['due_at']) - now)}".strip()


def _minutes(duration: timedelta) -> str:
    minutes = max(int(duration.total_seconds() // 60), 0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
