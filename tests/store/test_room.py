"""How much may wait is what can be committed in time, and is learned from what was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertrouter.store.room import MOST_BYTES_IN_BATCH, MOST_JOBS, Room

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("room", "size", "has"),
    [
        (Room(), 100 * MIB, True),
        (Room(jobs=1, bytes=8 * MIB - 1), 1, True),
        (Room(jobs=1, bytes=8 * MIB - 1), 100 * MIB, True),  # in a flood of small ones it comes as far as they do
        (Room(jobs=1, bytes=8 * MIB), 1, False),
        (Room(jobs=1, bytes=4 * MIB, batch=MIB), 1, False),
        (Room(jobs=MOST_JOBS - 1), 1, True),
        (Room(jobs=MOST_JOBS), 1, False),
    ],
)
def test_a_notification_may_wait_while_four_batches_are_not_full(room: Room, size: int, has: bool) -> None:
    assert room.has(size) is has


@pytest.mark.parametrize(
    ("room", "has"),
    [
        (Room(jobs=1, bytes=90 * MIB), True),
        (Room(jobs=MOST_JOBS, bytes=90 * MIB), True),
        (Room(jobs=2 * MOST_JOBS - 1), True),
        (Room(jobs=2 * MOST_JOBS), False),
    ],
)
def test_what_sends_takes_steps_and_records_and_what_people_do_is_not_shut_out_by_notifications(room: Room, has: bool) -> None:
    assert room.has(0) is has


@pytest.mark.parametrize(
    ("before", "size", "seconds", "after"),
    [
        (8, 8, 0.6, 4),
        (8, 3, 0.6, 1.5),  # not even what was in it was done in time
        (8, 1, 4.0, 8),  # a lock, or a slow disk: smaller batches would not help
        (2, 2, 0.1, 4),
        (2, 2, 0.3, 2),
        (2, 1, 0.1, 2),  # it was not full
        (8, 9, 0.1, 8),
        (1, 2, 9.0, 1),
    ],
)
def test_slow_batches_become_smaller_and_full_ones_that_are_fast_larger(
    before: float, size: float, seconds: float, after: float
) -> None:
    room = Room(batch=int(before * MIB))
    room.learn(int(size * MIB), seconds)
    assert room.batch == after * MIB


@given(st.floats(50_000, 100e6), st.floats(0, 0.05))
def test_whatever_the_pace_what_is_let_in_waits_two_seconds_or_a_few_batches_of_the_smallest_size(
    pace: float, fixed: float
) -> None:
    room = Room()
    for _ in range(20):
        room.learn(room.batch, fixed + room.batch / pace)
    most = 4 * (fixed + room.batch / pace)
    assert most <= max(2.0, 4 * (fixed + MIB / pace))
    assert MIB <= room.batch <= MOST_BYTES_IN_BATCH
