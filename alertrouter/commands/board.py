"""`alertrouter incidents watch`: a board of the open incidents in the terminal."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from alertrouter.commands.console import COLOURS

_ORDER = list(COLOURS)
Incidents = list[dict[str, Any]]


def show_board(look: Callable[[], Incidents], every: float) -> None:
    """Show what `look` gives, every so many seconds, until Ctrl-C."""
    console = Console()
    with Live(_board([]), console=console, screen=console.is_terminal, auto_refresh=False) as live:
        try:
            while True:
                live.update(_board(look()), refresh=True)
                time.sleep(every)
        except KeyboardInterrupt:
            return


def _board(incidents: Incidents) -> Table:
    now = datetime.now(UTC)
    table = Table(title=f"{len(incidents)} open", caption=f"{now:%H:%M:%S} UTC", expand=True, title_justify="left")
    for name in ("severity", "what", "for", "who has it", "next"):
        table.add_column(name, no_wrap=name != "what")
    for one in sorted(incidents, key=lambda one: (_ORDER.index(one["severity"]), one["opened_at"])):
        due, who = one["escalation"]["due_at"], one["acknowledged_by"]
        table.add_row(
            Text(one["severity"], style=COLOURS[one["severity"]]),
            Text(one["title"]),
            _minutes(now - datetime.fromisoformat(one["opened_at"])),
            Text(who or "nobody", style="" if who else "bold"),
            f"in {_minutes(datetime.fromisoformat(due) - now)}" if due else "",
        )
    return table


def _minutes(duration: timedelta) -> str:
    minutes = max(int(duration.total_seconds() // 60), 0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
