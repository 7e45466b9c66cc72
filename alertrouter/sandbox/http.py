"""What the sandbox's endpoints share: its state, what a request gives, and answers that break off."""

from typing import Any
from urllib.parse import parse_qs

import anyio
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from alertrouter.sandbox.state import Sandbox


def sandbox_of(request: Request) -> Sandbox:
    """The state, which learns by each request the address that it is reached at."""
    sandbox: Sandbox = request.app.state.sandbox
    sandbox.url = f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
    return sandbox


async def given(request: Request) -> dict[str, Any]:
    """The fields of a form, or of a JSON object; what is neither is a 400."""
    body = await request.body()
    if "json" not in request.headers.get("content-type", ""):
        return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
    try:
        found = msgspec.json.decode(body or b"{}")
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is not JSON") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "the body is not a JSON object")
    return found


async def wait(receive: Receive, seconds: float) -> None:
    """Wait so long, or until the client leaves."""
    with anyio.move_on_after(seconds):
        while (await receive())["type"] != "http.disconnect":
            pass


class NoAnswer(Response):
    """Closes the connection before an answer is complete.

    ASGI knows no way to close without a status line; one that promises a body and breaks off is a lost answer to every client.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"1")]})
