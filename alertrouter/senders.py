"""Those who asked, and whether they still wait for the answer.

A process that was frozen, or whose database was slow, holds requests whose senders gave up long ago, and have asked others since.
"""

import select
from collections.abc import Callable, Iterable, Sequence

Sender = Callable[[], int]
"""Gives the file of its connection, -1 once that is closed."""
_HUNG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


def have_hung_up(senders: Sequence[Sender | None]) -> list[bool]:
    """For each, whether it has closed its connection, also where no event loop has come to see that; who is None never has.

    In any thread. The system is asked once for all of them: whoever asks lets go of the interpreter, and may wait for 5 ms to get
    it back.
    """
    files = [None if sender is None else sender() for sender in senders]
    connected = {file for file in files if file is not None and file >= 0}
    gone = _hung_up(connected) if connected else set()
    return [file is not None and (file < 0 or file in gone) for file in files]


def _hung_up(files: Iterable[int]) -> set[int]:
    look = select.poll()
    for file in files:
        look.register(file, _HUNG_UP)
    return {file for file, _ in look.poll(0)}
