"""The short way for notifications."""

import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alertrouter.web import hooks
from alertrouter.web.http import error

_PATH = re.compile(r"/webhooks/alertmanager(?:/([^/]+))?/?")
_BROWSERS = frozenset((b"origin", b"sec-fetch-site"))
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class Front:
    """ASGI middleware: a notification goes straight to its endpoint, past compression, sign-in and the table of routes.

    Those are for people and cost more than reading the notification does. What a browser may have sent takes the long way.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a notification; pass everything else on."""
        match = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if match is None or any(name in _BROWSERS for name, _ in scope["headers"]):
            await self.app(scope, receive, send)
            return

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append(_NOSNIFF)
            await send(message)

        scope["path_params"] = {"source": match[1]} if match[1] else {}
        try:
            response = await hooks.alertmanager(Request(scope, receive))
        except HTTPException as problem:
            response = error(problem.status_code, problem.detail, dict(problem.headers or {}))
        await response(scope, receive, send_with_header)
