"""Small helpers that every endpoint shares."""

import base64
import binascii
import hmac
from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from alertrouter.service import Service


def service_of(request: Request) -> Service:
    """The running service."""
    service: Service = request.app.state.service
    return service


def error(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The one shape of an error: `{"error": "one clear line"}`."""
    return JSONResponse({"error": text}, status, headers)


def incident_id(request: Request) -> str:
    """The id in the path; 404 for what no incident has, such as the NUL that PostgreSQL refuses."""
    given: str = request.path_params["id"]
    if not (given.isascii() and given.isalnum()):
        raise HTTPException(404, "there is no such incident")
    return given


async def read_body(request: Request, most: int, setting: str = "") -> bytes:
    """The body; 413 as soon as it is longer than `most` bytes, naming the setting that says so."""
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise HTTPException(413, f"the body is larger than {most} bytes" + (f" ({setting})" if setting else ""))
        chunks.append(chunk)
    return b"".join(chunks)


def is_authorised(request: Request, tokens: Iterable[str]) -> bool:
    """Whether a bearer token, or a basic password of any user, is one of `tokens`; without tokens everybody is."""
    wanted = [token.encode() for token in tokens]
    if not wanted:
        return True
    given = _credential(request.headers.get("authorization", ""))
    matches = [hmac.compare_digest(given, token) for token in wanted]
    return any(matches)


def _credential(header: str) -> bytes:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
