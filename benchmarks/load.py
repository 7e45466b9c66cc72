"""The load: bodies as Alertmanager sends them, and wrk, which posts them."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

GROUPS = 2000
ALERTS = 5
NUMBER = "#NUMBER#"
"""What `wrk.lua` replaces with eight digits, others in every request."""
_SCRIPT = Path(__file__).with_name("wrk.lua")


def body(group: str, alerts: int = ALERTS, *, firing: bool = True) -> str:
    """A notification of some 740 bytes an alert. `group` is eight digits, or NUMBER."""
    return json.dumps(
        {
            "version": "4",
            "groupKey": f'{{}}/{{team="payments"}}:{{alertname="HighErrorRate", service="svc-{group}"}}',
            "truncatedAlerts": 0,
            "status": "firing" if firing else "resolved",
            "receiver": "alertrouter",
            "groupLabels": {"alertname": "HighErrorRate", "service": f"svc-{group}"},
            "commonLabels": {"alertname": "HighErrorRate", "service": f"svc-{group}", "severity": "critical"},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example.com:9093",
            "alerts": [_alert(group, number, firing=firing) for number in range(alerts)],
        },
        separators=(",", ":"),
    )


def _alert(group: str, number: int, *, firing: bool) -> dict[str, Any]:
    return {
        "status": "firing" if firing else "resolved",
        "labels": {
            "alertname": "HighErrorRate",
            "service": f"svc-{group}",
            "severity": "critical",
            "namespace": "production",
            "cluster": "eu-west-1",
            "instance": f"10.0.{number // 250}.{number % 250}:9100",
            "job": "payments-api",
        },
        "annotations": {
            "summary": f"Error rate of svc-{group} is above 1 % for more than five minutes",
            "description": "5xx answers make up 4.2 % of all in five minutes; the month's budget burns 14 times too fast.",
        },
        "startsAt": "2026-01-01T00:00:00.123Z",
        "endsAt": "0001-01-01T00:00:00Z" if firing else "2026-01-01T01:00:00Z",
        "generatorURL": "http://prometheus.example.com:9090/graph?g0.expr=sum(rate(http_requests_total%7Bcode%3D~%225..%22%7D%5B5m%5D))&g0.tab=1",
        "fingerprint": f"{number:08x}{group}",
    }


def groups(folder: Path, count: int = GROUPS, alerts: int = ALERTS, *, firing: bool = True) -> Path:
    """A file with one body for each group."""
    bodies = (body(f"{number:08d}", alerts, firing=firing) for number in range(count))
    return _write(folder / f"groups-{count}-{alerts}-{firing}.jsonl", bodies)


def ever_new(folder: Path, alerts: int = ALERTS, *, firing: bool = True) -> Path:
    """A file with which every request is about another group."""
    return _write(folder / f"new-{alerts}-{firing}.jsonl", [body(NUMBER, alerts, firing=firing)])


def _write(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of wrk saw. Latencies in milliseconds; `errors` counts answers that are no 2xx, too."""

    requests: int
    rate: float
    p50: float
    p99: float
    errors: int


def run(url: str, bodies: Path, connections: int, seconds: float, offset: int = 0) -> Run:
    """Post for so many whole seconds over so many connections, each with one request at a time."""
    if (wrk := shutil.which("wrk")) is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    options = ["-t1", f"-c{connections}", f"-d{int(seconds)}s", "--timeout", "10s", "-s", str(_SCRIPT)]
    command = [wrk, *options, url, "--", str(bodies), str(offset)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60)
    seen = json.loads(done.stdout.splitlines()[-1])
    rate = seen["requests"] / seen["seconds"]
    return Run(seen["requests"], rate, seen["p50"] / 1000, seen["p99"] / 1000, seen["errors"])


def run_many(urls: Sequence[str], bodies: Path, connections: int, seconds: float) -> list[Run]:
    """The same against several servers at once."""
    with ThreadPoolExecutor(len(urls)) as threads:
        return list(threads.map(lambda url: run(url, bodies, connections, seconds), urls))


def post_all(url: str, bodies: Iterable[str], connections: int) -> None:
    """Post each body once, over so many connections."""

    async def post(http: aiohttp.ClientSession, waiting: Iterator[str]) -> None:
        for one in waiting:
            async with http.post(url, data=one.encode()) as answer:
                answer.raise_for_status()
                await answer.read()  # else the connection is not used again

    async def run_all() -> None:
        waiting = iter(bodies)
        # httpx looks at each of its connections for each request: over 64 the load alone would be one of two cores
        connector, timeout = aiohttp.TCPConnector(limit=connections), aiohttp.ClientTimeout(total=60)
        headers = {"Content-Type": "application/json"}
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as http:
            await asyncio.gather(*(post(http, waiting) for _ in range(connections)))

    asyncio.run(run_all())
