"""Ids of incidents: PagerDuty's dedup keys begin with them."""

import base64
import hashlib
from datetime import datetime

from alertrouter.incidents.events import Key


def make_id(now: datetime, key: Key, previous: str) -> str:
    """An id that sorts by time: 48 bits of milliseconds and 80 of a hash, in lowercase base 32 hex (26 characters).

    It is a function of the episode, so that deciding twice gives the same dedup key.
    """
    milliseconds = int(now.timestamp() * 1000)
    text = "\0".join((now.isoformat(), key.source, key.subject, key.target, previous))
    digest = hashlib.blake2b(text.encode(), digest_size=10).digest()
    return base64.b32hexencode(milliseconds.to_bytes(6, "big") + digest).decode().rstrip("=").lower()


def first_id(moment: datetime) -> str:
    """What no id of that moment or a later one sorts before."""
    milliseconds = int(moment.timestamp() * 1000)
    return base64.b32hexencode(milliseconds.to_bytes(6, "big")).decode().rstrip("=").lower()[:9]
