"""Sending events to PagerDuty."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from ssl import SSLContext

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from alertrouter.pagerduty.events import encode
from alertrouter.pagerduty.outcomes import Failed, Outcome, classify

DEADLINE_SECONDS = 10.0
EVENTS = "/v2/enqueue"
CHANGES = "/v2/change/enqueue"
_CONNECT_SECONDS = 3.0
_POOLS = 8
"""httpx looks at every connection of a pool for every request: 32 at once in one cost three times what they cost in eight."""
_MOST_CONNECTIONS = 64
_TRIES = 3
_FIRST_BYTE = "http11.send_request_headers.started"  # a step as httpcore names it
_never_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


NOT_OURS = Failed("the lease was over before it was sent", warn=False, reached=False)


class _NotOursError(Exception):
    """Somebody else sends it by now."""


async def _always() -> bool:
    return True


class EventsClient:
    """Connections to the Events API v2 at `base_url` (without `/v2/enqueue`).

    `HTTPS_PROXY` and `SSL_CERT_FILE` are honoured.
    """

    def __init__(self, base_url: str, deadline: float = DEADLINE_SECONDS) -> None:
        self._base_url = base_url.rstrip("/")
        self._deadline = deadline
        context = httpx.create_ssl_context()
        self._pools = [_pool(context, deadline) for _ in range(_POOLS)]
        self._in_use = [0] * _POOLS

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
                answer = await self._post(path, content, is_ours)
        except _NotOursError:
            return NOT_OURS
        except _never_sent as error:
            return Failed(f"no connection: {type(error).__name__}", warn=False, reached=False)
        except TimeoutError:
            return Failed("no answer in time", warn=False, reached=True)
        except httpx.HTTPError as error:
            return Failed(f"the connection broke: {type(error).__name__}", warn=False, reached=True)
        without_key = answer.content.replace(routing_key.encode(), b"(routing key)")
        return classify(answer.status_code, without_key, answer.headers.get("retry-after"))

    async def aclose(self) -> None:
        """Close the connections."""
        for pool in self._pools:
            await pool.aclose()

    async def _post(self, path: str, content: bytes, is_ours: Callable[[], Awaitable[bool]]) -> httpx.Response:
        async def before(step: str, _: object) -> None:
            if step == _FIRST_BYTE and not await is_ours():
                raise _NotOursError

        tries = AsyncRetrying(
            retry=retry_if_exception_type(_never_sent),
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(multiplier=0.1, max=0.5),
            reraise=True,
        )
        async for attempt in tries:
            with attempt, self._least_used() as pool:
                return await pool.post(self._base_url + path, content=content, extensions={"trace": before})
        raise AssertionError("unreachable")

    @contextmanager
    def _least_used(self) -> Iterator[httpx.AsyncClient]:
        """The first of those that have the fewest requests: while little is sent, its connection is the one that is open."""
        number = min(range(_POOLS), key=self._in_use.__getitem__)
        self._in_use[number] += 1
        try:
            yield self._pools[number]
        finally:
            self._in_use[number] -= 1


def _pool(context: SSLContext, deadline: float) -> httpx.AsyncClient:
    most = _MOST_CONNECTIONS // _POOLS
    return httpx.AsyncClient(
        verify=context,
        timeout=httpx.Timeout(deadline, connect=_CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
        headers={"Content-Type": "application/json"},
        follow_redirects=False,
    )
