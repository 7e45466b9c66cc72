"""How fast 500 runbooks are read, read again, looked up, linted and shown. Usage: `make bench`."""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from alertrouter.runbooks.commands import Values
from alertrouter.runbooks.library import Library
from alertrouter.runbooks.lint import World, lint
from alertrouter.runbooks.render import first_steps, to_html
from alertrouter.runbooks.rules import Rule

FILES = 500
LABELS = {"namespace": "production", "pod": "api-7f9c", "severity": "critical", "instance": "10.0.0.7:9100"}
TEXT = """---
title: {alert}
weight: 20
---

# {alert}

## Meaning

The alert says that **{alert}** has been true for more than 15 minutes, on the host that `instance` names.

## Impact

Requests fail, and what is written meanwhile may be lost. See [the dashboard](https://example.com/d/{alert}).

## Diagnosis

1. Look at the events: `kubectl get events -n {{{{ labels.namespace }}}} --sort-by=.lastTimestamp`
2. Look at the logs:

   ```sh
   kubectl logs -n {{{{ labels.namespace }}}} {{{{ labels.pod }}}} --tail=100
   # not a heading
   ```

3. Compare:

   | Metric | Bad above |
   |--------|-----------|
   | `cpu`  | 0.9       |
   | `io`   | 0.5       |

## Mitigation

- Restart it: `kubectl delete pod -n {{{{ labels.namespace }}}} {{{{ labels.pod }}}}`
- Add capacity, as in [the guide](https://example.com/capacity).

## Escalation

If not resolved in 15 min, escalate to engineering
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alerts = write(folder)
        size = sum(file.stat().st_size for file in folder.rglob("*.md"))
        sys.stdout.write(f"{FILES} files, {size / 1024:.0f} KiB\n")
        library = Library([folder])
        _print("read all", _best(lambda: Library([folder]).load(), 3))
        library.load()
        _print("look again, nothing changed", _best(library.load, 5))
        _print("look again, one file changed", _best(lambda: _edit(folder / "component-0" / f"{alerts[0]}.md", library), 5))
        index = library.shelf.index
        labels = [LABELS | {"alertname": alert} for alert in alerts]
        _print("look up an alert", _best(lambda: [index.find(one) for one in labels], 20) / FILES)
        text, values = library.shelf.documents[0].sections[0].text, Values(LABELS)
        _print("a page's HTML", _best(lambda: to_html(text, values), 20))
        _print("an event's first steps", _best(lambda: first_steps(text, values, 6000), 20))
        rules = [Rule(alert, "r.yml", 1, "sum by (namespace, pod) (x) > 0", {}, {}) for alert in alerts]
        _print("lint against 500 rules", _best(lambda: lint(library.shelf.documents, index, World(rules)), 3))


def write(folder: Path) -> list[str]:
    """Write the runbooks; the alerts that they are for."""
    alerts = [f"KubeThing{number}Down" for number in range(FILES)]
    for number, alert in enumerate(alerts):
        component = folder / f"component-{number % 20}"
        component.mkdir(exist_ok=True)
        (component / f"{alert}.md").write_text(TEXT.format(alert=alert))
    return alerts


def _edit(file: Path, library: Library) -> None:
    os.utime(file)
    library.load()


def _best(work: Callable[[], object], times: int) -> float:
    """The shortest of several runs, in seconds: the others waited for something else."""
    found = []
    for _ in range(times):
        at = time.perf_counter()
        work()
        found.append(time.perf_counter() - at)
    return min(found)


def _print(what: str, seconds: float) -> None:
    shown = f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"
    sys.stdout.write(f"{what:<30} {shown:>12}\n")


if __name__ == "__main__":
    main()
