"""`make stack`: start everything, say where it is and how to break it, tell of pages as they come; Ctrl-C ends all of it."""

import argparse
import signal
import sys


def main() -> int:
    """Run until SIGINT, SIGTERM or SIGHUP. A signal only raises a flag: none leaves a process or a file behind."""
    parser = argparse.ArgumentParser(prog="make stack", description=__doc__)
    parser.add_argument("--faster", type=float, default=10, metavar="N", help="durations of deploy/ are N times shorter (10)")
    given = parser.parse_args()
    signals: list[int] = []
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, lambda number, _: signals.append(number))
    from tools.stack.console import run  # noqa: PLC0415 - for a second of imports Ctrl-C would be a traceback

    return run(given.faster, signals)


if __name__ == "__main__":
    sys.exit(main())
