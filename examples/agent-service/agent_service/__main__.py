"""`python -m agent_service`: run the agent until it is interrupted."""

import argparse
from pathlib import Path

import uvicorn

from agent_service import telemetry
from agent_service.app import create_app


def arguments() -> argparse.ArgumentParser:
    """What it can be told."""
    parser = argparse.ArgumentParser(prog="agent-service", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--load", type=float, default=5, metavar="N", help="messages a second that it sends to itself (5)")
    parser.add_argument("--database", type=Path, default=Path("agent.db"), metavar="FILE", help="SQLite (agent.db)")
    return parser


def main() -> None:
    """Read the arguments, and serve."""
    given = arguments().parse_args()
    telemetry.configure_logs()
    provider = telemetry.start_traces()
    try:
        uvicorn.run(create_app(given.database, given.load), host=given.host, port=given.port, log_config=None)
    finally:
        if provider is not None:
            provider.shutdown()


if __name__ == "__main__":
    main()
