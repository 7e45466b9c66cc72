"""Work that is done again and again in the background."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from alertrouter.store.database import UnavailableError, is_unavailable
from alertrouter.store.writer import OverloadedError

_log = structlog.get_logger()


async def repeat(work: Callable[[], Awaitable[bool | None]], seconds: float, trouble: str) -> None:
    """Work at once and then every so many seconds, until cancelled; without a pause when `work` says that there is more.

    A database that is away is passed over, as others tell of it; anything else is logged as `trouble`, and the next round
    goes on.
    """
    while True:
        is_more: bool | None = False
        try:
            is_more = await work()
        except (UnavailableError, OverloadedError):
            pass
        except Exception as problem:  # noqa: BLE001 - the outermost loop: the next round may do
            if not is_unavailable(problem):
                _log.exception(trouble, error=type(problem).__name__)
        if not is_more:
            await asyncio.sleep(seconds)
