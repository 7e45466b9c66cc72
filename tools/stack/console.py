"""What `make stack` says while it runs."""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tools.stack.parts import StackError
from tools.stack.stack import Stack, forget_settings

_WHERE = """
agent-service      {agent-service}/metrics
Prometheus         {prometheus}/alerts
Alertmanager       {alertmanager}
alertrouter        {alertrouter}
PagerDuty sandbox  {sandbox}

Break it:  curl -X POST {agent-service}/switches -d '{{"failing": "llm"}}'
Mend it:   curl -X POST {agent-service}/switches -d '{{"failing": null}}'
           (others: "slow", "databaseless", "expensive": true or false)
"""
_HOW_LONG = "Durations are {:g} times shorter than in deploy/, so that a page takes some {:.0f} seconds. Ctrl-C ends it all.\n"
_SECONDS_TO_A_PAGE = 180
"""HighErrorRate waits for two minutes; a scrape, an evaluation and Alertmanager's wait come on top."""


def run(faster: float, signals: Sequence[int]) -> int:
    """Until there is a signal, or a part ends. The exit code; no process and no file is left."""
    forget_settings()
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        stack = Stack(Path(folder), faster)
        try:
            _say("starting …")
            if stack.start(lambda: bool(signals)):
                _say(_WHERE.format_map(stack.urls))
                _say(_HOW_LONG.format(faster, _SECONDS_TO_A_PAGE / faster))
                _follow(stack, signals)
        except StackError as problem:
            sys.stderr.write(f"{problem}\n")
            return 1
        finally:
            stack.end()
    _say("all of it has ended")
    return 0


def _follow(stack: Stack, signals: Sequence[int]) -> None:
    """Tell what PagerDuty gets, until it is over. Raises StackError if a part ends."""
    since = 0
    while not signals:
        stack.check()
        try:
            heard: dict[str, Any] = httpx.get(f"{stack.urls['sandbox']}/events", params={"since": since}, timeout=5).json()
        except httpx.HTTPError:
            continue
        for one in heard["events"]:
            _say(_line(one["event"] or {}, stack.urls["alertrouter"]))
        since = heard["next"]
        time.sleep(0.5)


def _line(event: dict[str, Any], router: str) -> str:
    summary = event.get("payload", {}).get("summary", "")
    incident = str(event.get("dedup_key", "")).partition("/")[0]
    where = event.get("client_url") or f"{router}/incidents/{incident}"
    return f"PagerDuty <- {event.get('event_action'):<11} {summary}  {where}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
