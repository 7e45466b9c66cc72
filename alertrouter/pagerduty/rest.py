"""Asking PagerDuty's REST API what became of our pages. Source: https://developer.pagerduty.com/api-reference/."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from alertrouter.pagerduty.text import one_line
from alertrouter.pagerduty.webhooks import MERGED

_CONNECT_SECONDS = 2.0
_PAGE = 100
_MOST_PAGES = 10
_MOST_MERGES = 10
Status = Literal["triggered", "acknowledged", "resolved"]


class CannotAskError(Exception):
    """PagerDuty did not answer, or not as it should; the text says why, without the token."""


@dataclass(frozen=True, slots=True)
class Found:
    """A PagerDuty incident: its id, its status, who has it or closed it, and what it was merged into, empty if none."""

    id: str
    status: Status
    by: str
    merged_into: str = ""


class RestClient:
    """Reads at `base_url` (without `/incidents`) with an API token; `deadline` seconds for each question as a whole."""

    def __init__(self, base_url: str, token: SecretStr, deadline: float = 3.0) -> None:
        self._deadline = deadline
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(deadline, connect=_CONNECT_SECONDS),
            headers={
                "Authorization": f"Token token={token.get_secret_value()}",
                "Accept": "application/vnd.pagerduty+json;version=2",
            },
        )

    async def incidents_with(self, dedup_key: str) -> Sequence[Found]:
        """The incidents that hold an alert with this key, newest first; none that was merged. Raises CannotAskError."""
        query: dict[str, str | int] = {"incident_key": dedup_key, "date_range": "all", "sort_by": "created_at:desc", "limit": 10}
        answer = await self._get("/incidents", query)
        return [_found(one) for one in _items(answer, "incidents") if not _is_merged(one)]

    async def incident(self, pagerduty_id: str) -> Found:
        """One incident. Raises CannotAskError."""
        answer = await self._get(f"/incidents/{quote(pagerduty_id, safe='')}", {})
        one = answer.get("incident")
        if not isinstance(one, dict):
            raise CannotAskError("the answer holds no incident")
        return _found(one)

    async def merged_into(self, pagerduty_id: str) -> Found:
        """The incident that holds by now what was merged into this one, which may have been merged on. Raises CannotAskError."""
        found = await self.incident(pagerduty_id)
        for _ in range(_MOST_MERGES):
            if not found.merged_into:
                return found
            found = await self.incident(found.merged_into)
        raise CannotAskError("it was merged on and on")

    async def keys_of(self, pagerduty_id: str) -> Sequence[str]:
        """The dedup keys of an incident's alerts. Raises CannotAskError."""
        path, keys = f"/incidents/{quote(pagerduty_id, safe='')}/alerts", list[str]()
        for page in range(_MOST_PAGES):
            answer = await self._get(path, {"limit": _PAGE, "offset": page * _PAGE})
            keys += [one["alert_key"] for one in _items(answer, "alerts") if _is_like_ours(one.get("alert_key"))]
            if not answer.get("more"):
                break
        return keys

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _get(self, path: str, query: dict[str, str | int]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._deadline):
                answer = await self._http.get(path, params=query)
            if answer.status_code != httpx.codes.OK:
                raise CannotAskError(f"PagerDuty's API answered {answer.status_code}")
            body = answer.json()
        except TimeoutError:
            raise CannotAskError("PagerDuty's API did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CannotAskError(f"PagerDuty's API cannot be reached: {type(error).__name__}") from None
        except (ValueError, RecursionError):
            raise CannotAskError("PagerDuty's API did not answer with JSON") from None
        return body if isinstance(body, dict) else {}


def _items(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = answer.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _found(one: dict[str, Any]) -> Found:
    status, identity = one.get("status"), one.get("id")
    if status not in {"triggered", "acknowledged", "resolved"} or not isinstance(identity, str):
        raise CannotAskError("the answer holds an incident that cannot be read")
    who = one.get("last_status_change_by")
    by = one_line(who.get("summary")) if isinstance(who, dict) else ""
    return Found(one_line(identity), cast("Status", status), by, _target(one))


def _target(one: dict[str, Any]) -> str:
    """What an incident was merged into, empty if it was not."""
    if not _is_merged(one):
        return ""
    target = one["resolve_reason"].get("incident")
    if not (isinstance(target, dict) and target.get("id")):
        raise CannotAskError("the answer does not say what the incident was merged into")
    return one_line(target["id"])


def _is_merged(one: dict[str, Any]) -> bool:
    reason = one.get("resolve_reason")
    return isinstance(reason, dict) and reason.get("type") == MERGED


def _is_like_ours(key: object) -> bool:
    """Other integrations give their alerts keys of any characters; ours are in ASCII."""
    return isinstance(key, str) and key.isascii() and key.isprintable()
