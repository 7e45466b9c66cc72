"""How much may wait for the writer: about as much as it commits in two seconds.

Whoever would wait for longer is refused at once, and comes again. To take it in and give it up 4.5 s later would be worse for
everybody: the sender waits, and what it asked for may have been written all the same. Only what others post has a size: what
sends pages, takes steps and records, and what people do, is not shut out by a flood of it.
"""

from dataclasses import dataclass

MOST_JOBS = 2000
"""Of requests with a size; there is place for as many again without, so that memory is bounded whatever hangs."""
MOST_BYTES_IN_BATCH = 8 * 1024 * 1024
_LEAST_BYTES_IN_BATCH = 1024 * 1024
_BATCHES = 4
_BATCH_SECONDS = 0.5


@dataclass(slots=True)
class Room:
    """What waits or is being written, in requests and bytes, and how many bytes are committed together."""

    jobs: int = 0
    bytes: int = 0
    batch: int = 2 * 1024 * 1024

    def has(self, size: int) -> bool:
        """Whether a request of so many bytes may wait. The last one may be as large as it likes: small ones would leave no room
        for a large one for as long as they come.
        """
        if not size:
            return self.jobs < 2 * MOST_JOBS
        return self.jobs < MOST_JOBS and self.bytes < self.batch * _BATCHES

    def enter(self, size: int) -> None:
        """One request of so many bytes begins to wait, or to be read."""
        self.jobs += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        """It is read or written, or nobody waits for it any more."""
        self.jobs -= 1
        self.bytes -= size

    def learn(self, size: int, seconds: float) -> None:
        """So many bytes of a batch were committed in so many seconds.

        What took too long makes the batches smaller; only one that was full shows that they may grow.
        """
        if seconds > _BATCH_SECONDS and size > _LEAST_BYTES_IN_BATCH:
            self.batch = max(min(self.batch, size) // 2, _LEAST_BYTES_IN_BATCH)
        elif seconds < _BATCH_SECONDS / 2 and size >= self.batch:
            self.batch = min(self.batch * 2, MOST_BYTES_IN_BATCH)
