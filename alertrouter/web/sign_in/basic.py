"""AUTH=basic: names and passwords as htpasswd keeps them, with bcrypt."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence

import bcrypt
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alertrouter.web.http import Refusal

_NOBODY = bcrypt.hashpw(b"", bcrypt.gensalt(4))
_LONGEST_PASSWORD = 72
"""Of more bytes bcrypt takes no notice."""


class Basic:
    """Asks the browser for a name and a password; `users` has the bcrypt hash of each.

    A hash takes a good part of a second to check, by design. So what was right once is known again by a keyed digest that this
    process alone can make.
    """

    routes: Sequence[Route] = ()
    middleware: Sequence[Middleware] = ()

    def __init__(self, users: Mapping[str, bytes]) -> None:
        self._users = users
        self._key = secrets.token_bytes(32)
        self._known: set[bytes] = set()
        self._one_at_a_time = asyncio.Lock()

    async def name(self, request: Request) -> str | None:
        """The name, if the password is right."""
        name, password = _given(request.headers.get("authorization", ""))
        if not name:
            return None
        digest = hmac.digest(self._key, f"{name}\0".encode() + password, hashlib.sha256)
        if digest in self._known:
            return name
        async with self._one_at_a_time:  # whoever guesses must not keep the threads busy that pages and intake need
            right = await asyncio.to_thread(bcrypt.checkpw, password[:_LONGEST_PASSWORD], self._users.get(name, _NOBODY))
        if not right or name not in self._users:
            return None
        self._known.add(digest)
        return name

    def ask(self, _request: Request) -> Response:
        """401: the browser asks."""
        asked = {"WWW-Authenticate": 'Basic realm="alertrouter", charset="UTF-8"'}
        raise Refusal(401, "These pages want a name and a password. Load this one again to be asked for them.", asked)


def _given(header: str) -> tuple[str, bytes]:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        name, _, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
        return name.decode(), password.replace(b"\0", b"")
    except (binascii.Error, ValueError):
        return "", b""
