"""Asking Alertmanager's API v2 which alerts it holds.

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from alertrouter.pagerduty.text import one_line

_ALL = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}


class CannotLookError(Exception):
    """An Alertmanager did not answer, or not as it should; the text says why, without its address."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Who silenced alerts, and until when."""

    by: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What one Alertmanager holds: since when it is up, and its alerts by fingerprint, with their silence if they have one."""

    up_since: datetime
    alerts: Mapping[str, Silence | None]


async def look(http: httpx.AsyncClient, url: str, seconds: float = 10.0) -> Look:
    """Look at the Alertmanager at `url` (its base, with user and password if it wants them). Raises CannotLookError."""
    try:
        async with asyncio.timeout(seconds):
            status = await _get(http, f"{url}/api/v2/status", {})
            alerts = await _get(http, f"{url}/api/v2/alerts", _ALL)
            silences = await _get(http, f"{url}/api/v2/silences", {})
        known = {one["id"]: Silence(one_line(one.get("createdBy")), _time(one["endsAt"])) for one in silences}
        held = {one["fingerprint"]: _silence(one["status"].get("silencedBy") or (), known) for one in alerts}
        return Look(_time(status["uptime"]), held)
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as problem:
        raise CannotLookError(f"it cannot be reached: {type(problem).__name__}") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        raise CannotLookError("it did not answer as Alertmanager does") from None


async def _get(http: httpx.AsyncClient, url: str, query: Mapping[str, str]) -> Any:
    answer = await http.get(url, params=dict(query))
    answer.raise_for_status()
    return answer.json()


def _silence(ids: Any, known: Mapping[str, Silence]) -> Silence | None:
    """The one that lasts longest."""
    found = [known[one] for one in ids if one in known]
    return max(found, key=lambda silence: silence.until, default=None)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
