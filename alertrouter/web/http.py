"""Small helpers that every endpoint shares."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alertrouter.connections import SENDER
from alertrouter.refusals import RefusalError
from alertrouter.senders import Sender
from alertrouter.service import Service


def service_of(request: Request) -> Service:
    """The running service."""
    service: Service = request.app.state.service
    return service


def error(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The one shape of an error: `{"error": "one clear line"}`."""
    return JSONResponse({"error": text}, status, headers)


class Refusal(HTTPException):
    """The answer to a request that is refused; `why` can be said in the reader's language."""

    def __init__(
        self, status: int, why: RefusalError | str, /, headers: Mapping[str, str] | None = None, **values: object
    ) -> None:
        self.why = RefusalError(why, **values) if isinstance(why, str) else why
        super().__init__(status, str(self.why), headers)


def incident_id(request: Request) -> str:
    """The id in the path; 404 for what no incident has, such as the NUL that PostgreSQL refuses."""
    given: str = request.path_params["id"]
    if not (given.isascii() and given.isalnum()):
        raise Refusal(404, "there is no such incident")
    return given


@dataclass(eq=False, slots=True)
class _Body:
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0
    is_given_up: bool = False


class _Arriving:
    """The bodies that are being read just now, in the order in which they began, and how many bytes of them are here."""

    most = 256 * 1024 * 1024
    size = 0
    bodies: ClassVar[dict[_Body, None]] = {}


async def read_body(request: Request, most: int, setting: str = "") -> bytes:
    """The body; 413 as soon as it is longer than `most` bytes, naming the setting that says so.

    503 for those that have been arriving for the longest, where all together would take too much memory: whoever sends slowly
    keeps nobody else out.
    """
    body = _Body()
    _Arriving.bodies[body] = None
    try:
        async for chunk in request.stream():
            if body.size + len(chunk) > most:
                where = f" ({setting})" if setting else ""
                raise Refusal(413, "the body is larger than %(most)s bytes%(where)s", most=most, where=where)
            if not body.is_given_up:
                _take(body, chunk, max(_Arriving.most, most))
            if body.is_given_up:
                break
        if body.is_given_up:
            raise Refusal(503, "not stored, try again: too much arrives at once")
        return b"".join(body.chunks)
    finally:
        _give_up(body)


def _take(body: _Body, chunk: bytes, most: int) -> None:
    body.chunks.append(chunk)
    body.size += len(chunk)
    _Arriving.size += len(chunk)
    while _Arriving.size > most:
        _give_up(next(iter(_Arriving.bodies)))


def _give_up(body: _Body) -> None:
    """Its memory is free, whenever its sender comes to hear of it."""
    if not body.is_given_up:
        del _Arriving.bodies[body]
        _Arriving.size -= body.size
        body.chunks.clear()
        body.is_given_up = True


def sender_of(request: Request) -> Sender | None:
    """Who waits for the answer, where the server tells."""
    sender: Sender | None = request.scope.get("extensions", {}).get(SENDER, {}).get("file")
    return sender


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


Read = TypeVar("Read", bound=BaseModel)


def answer(request: Request, body: BaseModel) -> Response:
    """A shape as JSON, with an `ETag`; 304 for whoever has it already."""
    content = body.model_dump_json().encode()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if request.method in {"GET", "HEAD"} and known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


def read_query(request: Request, shape: type[Read]) -> Read:
    """The query as a shape; 400 for what is not like it. A name that is given twice counts as it stands last."""
    return read_fields(dict(request.query_params), shape)


def read_fields(given: Mapping[str, Any], shape: type[Read]) -> Read:
    """Fields as a shape; 400 for what is not like it."""
    try:
        return shape.model_validate(given)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        raise _refusal(".".join(map(str, first["loc"])), first) from None


def _refusal(name: str, problem: ErrorDetails) -> Refusal:
    """What pydantic found, in sentences of which those that a page can cause are marked for translation."""
    given = problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return Refusal(400, "%(name)s is missing", name=name)
        case "literal_error":
            return Refusal(400, "%(name)s: Input should be %(expected)s", name=name, expected=given["expected"])
        case "greater_than_equal":
            return Refusal(400, "%(name)s: Input should be greater than or equal to %(least)s", name=name, least=given["ge"])
        case "less_than_equal":
            return Refusal(400, "%(name)s: Input should be less than or equal to %(most)s", name=name, most=given["le"])
    what = given.get("error") or problem["msg"]
    return Refusal(400, "%(name)s: %(what)s", name=name, what=what)
