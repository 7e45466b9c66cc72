"""Where `now` comes from outside the pure core."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


def elapsed() -> float:
    """Seconds since some moment. They go on while the process is stopped and, on Linux, while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def utc_now() -> datetime:
    """The process's clock, aware, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock and how many times faster than the world it goes."""

    now: Callable[[], datetime] = utc_now
    speed: float = 1.0

    def real(self, duration: timedelta) -> float:
        """How many real seconds it takes this clock to go on by `duration`, at least 0."""
        return max(duration.total_seconds() / self.speed, 0.0)

    def simulated(self, seconds: float) -> timedelta:
        """How far this clock goes on in so many real seconds."""
        return timedelta(seconds=seconds * self.speed)


def fast_clock(speed: float) -> Clock:
    """A clock that starts now and goes `speed` times faster."""
    start, started = utc_now(), time.monotonic()
    return Clock(lambda: start + timedelta(seconds=(time.monotonic() - started) * speed), speed)
