"""What a bench found: printed, and kept as JSON together with the machine that it was found on."""

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("results")
_PACKAGES = ("uvicorn", "uvloop", "httptools", "starlette", "msgspec", "sqlalchemy", "psycopg")


def say(line: str = "") -> None:
    """To the terminal, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def keep(name: str, figures: Any) -> None:
    """Write `results/NAME.json`."""
    FOLDER.mkdir(exist_ok=True)
    what = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "figures": figures}
    (FOLDER / f"{name}.json").write_text(json.dumps(what, indent=1, ensure_ascii=False) + "\n")


def kept(name: str) -> Any:
    """The figures of `results/NAME.json`."""
    return json.loads((FOLDER / f"{name}.json").read_text())["figures"]


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "processor": _processor(),
        "cores": os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count(),
        "load before": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "fsync": f"{_fsync() * 1000:.2f} ms",
        **{name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _fsync() -> float:
    """Seconds of the median of 100 small writes that are forced to the disk that databases of the bench are on."""
    seconds = []
    with tempfile.TemporaryFile() as file:
        for _ in range(100):
            at = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - at)
    return sorted(seconds)[50]


def quantiles(seconds: Iterable[float]) -> dict[str, float]:
    """Of a number of durations, in milliseconds."""
    ordered = sorted(one * 1000 for one in seconds)
    at = {f"p{percent}": ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] for percent in (50, 95, 99)}
    return {name: round(value, 2) for name, value in at.items()} | {"most": round(ordered[-1], 2), "n": len(ordered)}
