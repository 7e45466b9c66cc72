"""One run: `python -m chaos --database postgres --seed 1 --stories 10000 --faults 370 --seconds 900`."""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from chaos.checker import PATIENCE, check, told
from chaos.plan import make_plan
from chaos.run import run


def main() -> int:
    """Play, print, and say with the exit code whether every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="postgres")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--stories", type=int, default=1000)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--patience", type=float, default=PATIENCE + 5)
    parser.add_argument("--keep", type=Path, help="a folder for the logs")
    given = parser.parse_args()
    plan = make_plan(given.seed, given.database, given.stories, given.faults, given.seconds, given.patience)
    with tempfile.TemporaryDirectory(prefix="chaos") as folder:
        history = asyncio.run(run(plan, given.keep or Path(folder)))
    report = check(history)
    sys.stdout.write(told(history, report, given.seed) + "\n")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
