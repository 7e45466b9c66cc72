"""`alertrouter serve` with a clock that can be set while it runs: `python -m chaos.replica FILE`, which holds seconds."""

import sys
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from alertrouter.clock import Clock, utc_now
from alertrouter.commands import serving
from alertrouter.store import database


def _now(file: Path) -> datetime:
    return utc_now() + timedelta(seconds=float(file.read_text() or 0))


if __name__ == "__main__":
    database.Clock = partial(Clock, partial(_now, Path(sys.argv[1])))  # type: ignore[assignment,attr-defined]
    serving.serve(None, None)
