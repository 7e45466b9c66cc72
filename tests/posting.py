"""Posts without HTTP, for tests of what the writer does with them."""

from typing import Any

import msgspec

from alertrouter.alertmanager import parse
from alertrouter.planning import Playbook
from alertrouter.posts import Post
from alertrouter.store.database import Database


def post(body: dict[str, Any], playbook: Playbook, database: Database | None = None, source: str = "default") -> Post:
    """A body as the webhook hands it over: read, unless this database's process knows it for a repeat."""
    content = msgspec.json.encode(body)
    repeat = database.repeats.find(source, content, playbook.routing) if database else None
    return Post(content, source, playbook, "", repeat or parse(content, source))
