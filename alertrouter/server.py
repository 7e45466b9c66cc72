"""Running an application with uvicorn, as Alertmanager and a graceful stop need it."""

import gc
import resource
import signal
import sys
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from alertrouter.connections import KEEP_ALIVE_SECONDS, Guarded

STOP_SECONDS = 5
_COLLECT_AFTER = 5_000
"""New objects before Python looks for circles. Those of some fifty requests are alive until their one commit: 700 would have them
looked at again and again by then, and 20,000 let 8 MB of circles wait.
"""


def server(app: Starlette, host: str, port: int) -> uvicorn.Server:
    """A server that is ready to run; it stops on SIGTERM and SIGINT after what it is answering."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Guarded,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return uvicorn.Server(config)


def run(web: uvicorn.Server) -> None:
    """Serve until SIGTERM or SIGINT, and exit with 0: being asked to stop is no failure. 1 if the start failed."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stopped)  # uvicorn raises the signal again when it has stopped
    _leave_no_core()
    gc.collect()
    gc.freeze()  # modules and tables stay to the end and need no looking at
    gc.set_threshold(_COLLECT_AFTER)
    web.run()
    if not web.started:
        sys.exit(1)


def _leave_no_core() -> None:
    """The memory of a process that crashes is not written to a disk: it holds every secret."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def _stopped(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
