"""The measure of all ratios: an endpoint that reads the body and answers 200, on the same server with the same configuration.

Usage: `python noop.py PORT`.
"""

import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alertrouter.server import run, server


async def nothing(request: Request) -> Response:
    """Read the body, and do nothing."""
    await request.body()
    return JSONResponse({"incidents": []})


if __name__ == "__main__":
    run(server(Starlette(routes=[Route("/webhooks/alertmanager", nothing, methods=["POST"])]), "127.0.0.1", int(sys.argv[1])))
