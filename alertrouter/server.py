"""Running an application with uvicorn, as Alertmanager and a graceful stop need it."""

import uvicorn
from starlette.applications import Starlette

KEEP_ALIVE_SECONDS = 330
"""Longer than the 5 minutes for which Alertmanager keeps an idle connection."""
STOP_SECONDS = 5


def server(app: Starlette, host: str, port: int) -> uvicorn.Server:
    """A server that is ready to run; it stops on SIGTERM and SIGINT after what it is answering."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return uvicorn.Server(config)
