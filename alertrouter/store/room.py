"""How much may wait for the writer: about as much as it commits in two seconds.

Whoever would wait for longer is refused at once, and comes again. To take it in and give it up 4.5 s later would be worse for
everybody: the sender waits, and what it asked for may have been written all the same.
"""

from dataclasses import dataclass

MOST_JOBS = 2000
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
        """Whether so many bytes more may wait. What is larger than all the room may when nothing else does."""
        return self.jobs < MOST_JOBS and not (size and self.bytes and self.bytes + size > self.batch * _BATCHES)

    def enter(self, size: int) -> None:
        """One request of so many bytes begins to wait."""
        self.jobs += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        """It is written, or nobody waits for it any more."""
        self.jobs -= 1
        self.bytes -= size

    def learn(self, size: int, seconds: float) -> None:
        """A batch of so many bytes was committed in so many seconds.

        What took too long makes the batches smaller; only one that was full shows that they may grow.
        """
        if seconds > _BATCH_SECONDS and size > _LEAST_BYTES_IN_BATCH:
            self.batch = max(min(self.batch, size) // 2, _LEAST_BYTES_IN_BATCH)
        elif seconds < _BATCH_SECONDS / 2 and size >= self.batch:
            self.batch = min(self.batch * 2, MOST_BYTES_IN_BATCH)
