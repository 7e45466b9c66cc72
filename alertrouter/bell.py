"""Waking whoever waits for something new."""

import asyncio


class Bell:
    """Rings for all who wait at that moment; belongs to one event loop."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits."""
        self._rung.set()
        self._rung = asyncio.Event()

    @property
    def next_ring(self) -> asyncio.Event:
        """What the next ring sets: to be taken before looking at what may change, so that no ring is missed."""
        return self._rung
