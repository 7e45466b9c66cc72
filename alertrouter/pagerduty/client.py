"""Sending events to PagerDuty."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import SimpleNamespace
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from alertrouter.pagerduty.events import encode
from alertrouter.pagerduty.outcomes import Failed, Outcome, classify

DEADLINE_SECONDS = 10.0
EVENTS = "/v2/enqueue"
CHANGES = "/v2/change/enqueue"
_CONNECT_SECONDS = 3.0
_MOST_CONNECTIONS = 64
_IDLE_SECONDS = 5.0
_PAUSE_SECONDS = 0.1
_HEADERS = {"Content-Type": "application/json", "User-Agent": "alertrouter"}
_never_sent = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_again = AsyncRetrying(
    retry=retry_if_exception_type(_never_sent),
    stop=stop_after_attempt(2),
    wait=wait_random_exponential(multiplier=2 * _PAUSE_SECONDS),
    reraise=True,
)
"""The second and the third try; to be copied, as it keeps the state of one call."""

NOT_OURS = Failed("the lease was over before it was sent", warn=False, reached=False)


class _NotOursError(Exception):
    """Somebody else sends it by now."""


async def _always() -> bool:
    return True


class EventsClient:
    """Connections to the Events API v2 at `base_url` (without `/v2/enqueue`).

    `HTTPS_PROXY`, `NO_PROXY` and `SSL_CERT_FILE` are honoured. It posts with aiohttp, which takes a fifth of what httpx takes
    for it: what sends a thousand pages sends little else (docs/adr/0012). To be made and used in one event loop.
    """

    def __init__(self, base_url: str, deadline: float = DEADLINE_SECONDS) -> None:
        self._base_url = base_url.rstrip("/")
        self._deadline = deadline
        self._http = _session(httpx.URL(base_url), deadline)

    async def send(
        self,
        event: Mapping[str, object],
        routing_key: str,
        path: str = EVENTS,
        is_ours: Callable[[], Awaitable[bool]] = _always,
    ) -> Outcome:
        """One attempt, within the deadline. Trouble is an outcome, never an exception.

        `path` is EVENTS or CHANGES. `is_ours` is asked when the connection stands, just before the first byte: if it says no,
        none goes out. Only a connection that was never made is tried again here; everything else is the caller's
        to repeat.
        """
        content = encode(event, routing_key)
        try:
            async with asyncio.timeout(self._deadline):
                status, body, retry_after = await self._post(path, content, is_ours)
        except _NotOursError:
            return NOT_OURS
        except _never_sent as error:
            return Failed(f"no connection: {type(error).__name__}", warn=False, reached=False)
        except TimeoutError:
            return Failed("no answer in time", warn=False, reached=True)
        except aiohttp.ClientError as error:
            return Failed(f"the connection broke: {type(error).__name__}", warn=False, reached=True)
        return classify(status, body.replace(routing_key.encode(), b"(routing key)"), retry_after)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _post(self, path: str, content: bytes, is_ours: Callable[[], Awaitable[bool]]) -> tuple[int, bytes, str | None]:
        """Status, body and `Retry-After` of the answer."""
        with suppress(*_never_sent):  # most connections are made; what tenacity keeps of a try costs more than to build the event
            return await self._post_once(path, content, is_ours)
        await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 - jitter
        return await _again.copy()(self._post_once, path, content, is_ours)

    async def _post_once(
        self, path: str, content: bytes, is_ours: Callable[[], Awaitable[bool]]
    ) -> tuple[int, bytes, str | None]:
        posted = self._http.post(
            self._base_url + path, data=content, headers=_HEADERS, allow_redirects=False, trace_request_ctx=is_ours
        )
        async with posted as answer:
            return answer.status, await answer.read(), answer.headers.get("Retry-After")


def _session(url: httpx.URL, deadline: float) -> aiohttp.ClientSession:
    asks_first = aiohttp.TraceConfig()
    asks_first.on_request_headers_sent.append(_check_is_ours)  # which is told just before they are
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_MOST_CONNECTIONS, keepalive_timeout=_IDLE_SECONDS, ssl=httpx.create_ssl_context()),
        timeout=aiohttp.ClientTimeout(total=deadline, sock_connect=_CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[asks_first],
        proxy=_proxy_for(url),
    )


async def _check_is_ours(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    if not await context.trace_request_ctx():
        raise _NotOursError


def _proxy_for(url: httpx.URL) -> str | None:
    """What the environment says, as for curl."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.netloc.decode()):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
