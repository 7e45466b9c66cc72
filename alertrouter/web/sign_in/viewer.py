"""Who looks at the pages, and what they may do: by a password, a trusted proxy's word, or an OpenID provider."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alertrouter.settings import Settings


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks; `name` is empty where nobody signs in."""

    name: str
    may_act: bool


ANYBODY = Viewer("", may_act=True)


class Door(Protocol):
    """A way to sign in, with the routes and the middleware that it needs."""

    routes: Sequence[Route]
    middleware: Sequence[Middleware]

    async def name(self, request: Request) -> str | None:
        """Who has signed in, None for nobody."""

    def ask(self, request: Request) -> Response:
        """What is answered to somebody who has not signed in."""


async def viewer_of(request: Request, settings: Settings) -> Viewer | None:
    """Who looks, None for somebody who has to sign in first."""
    door: Door | None = request.app.state.door
    if door is None:
        return ANYBODY
    name = await door.name(request)
    if not name:
        return None
    return Viewer(name, may_act=not settings.auth_actors or name in settings.auth_actors)


def ask(request: Request) -> Response:
    """The answer to somebody who has to sign in first."""
    door: Door = request.app.state.door
    return door.ask(request)
