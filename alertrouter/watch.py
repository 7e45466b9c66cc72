"""Waiting for the runbook folders to change."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from watchfiles import awatch

TICK_SECONDS = 3.0
"""How often to look where no news comes: network file systems, folders that are not there yet, a new commit of the same text."""
_SETTLE_SECONDS = 0.3


async def watch(folders: Sequence[Path]) -> AsyncGenerator[None, None]:
    """Yield, without end, whenever something under `folders` may have changed, and every few seconds in any case."""
    while True:
        there = _there(folders)
        if there:
            try:
                async with aclosing(_news(list(there))) as news:
                    async for _ in news:
                        yield
                        if _there(folders) != there:
                            break
            except OSError:  # such as more watches than the system allows
                there = {}
        if not there:
            await asyncio.sleep(TICK_SECONDS)
            yield


async def _news(folders: Sequence[Path]) -> AsyncGenerator[None, None]:
    tick = int(TICK_SECONDS * 1000)
    async with aclosing(awatch(*folders, watch_filter=None, rust_timeout=tick, yield_on_timeout=True)) as changes:
        async for change in changes:
            if change:
                await asyncio.sleep(_SETTLE_SECONDS)  # an editor or `git pull` may not have written all of it yet
            yield


def _there(folders: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """The folders that exist, and which they are: one that was moved away and put back is another one."""
    found = {}
    for folder in folders:
        try:
            stat = folder.stat()
        except OSError:
            continue
        found[folder] = (stat.st_dev, stat.st_ino)
    return found
