"""Lines of the log: none is lost, and none comes too often."""

import json
import subprocess
import sys

from alertrouter.logs import OncePerSecond

ENDS_AT_ONCE = """
import asyncio, structlog
from alertrouter import logs

async def main():
    log.info("from the loop", number=1)
    await asyncio.to_thread(log.info, "from a thread", number=2)
    log.info("from the loop", number=3)

logs.configure("json")
log = structlog.get_logger()
log.info("before", number=0)
asyncio.run(main())
"""


def test_lines_of_loop_and_threads_come_in_order_and_all_of_them_when_the_process_ends_at_once() -> None:
    said = subprocess.run([sys.executable, "-c", ENDS_AT_ONCE], capture_output=True, text=True, timeout=30, check=True).stdout
    assert [json.loads(line)["number"] for line in said.splitlines()] == [0, 1, 2, 3]


def test_the_first_line_is_written_at_once_and_the_others_are_counted_into_one_a_second() -> None:
    seldom = OncePerSecond()
    assert [seldom.lines(now) for now in (5.0, 5.1, 5.9, 6.0, 6.5, 9.0, 9.0, 12.0)] == [1, 0, 0, 3, 0, 2, 0, 2]
