"""`alertrouter serve` with a clock that goes faster. Usage: fast.py SPEED, and the settings in the environment."""

import sys

from alertrouter import logs
from alertrouter.clock import fast_clock
from alertrouter.routing_file import read_routing
from alertrouter.server import run, server
from alertrouter.service import Service
from alertrouter.settings import load_settings
from alertrouter.web.app import create_app


def main(speed: float) -> None:
    """Serve until it is told to stop."""
    logs.configure("json")
    settings = load_settings()
    service = Service(settings, read_routing(settings.config, settings), fast_clock(speed))
    service.prepare()
    run(server(create_app(service), settings.host, settings.port))


if __name__ == "__main__":
    main(float(sys.argv[1]))
