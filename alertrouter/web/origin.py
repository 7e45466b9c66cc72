"""Whether a request was made by a page of another site."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from alertrouter.web.errors import answer_to
from alertrouter.web.http import Refusal

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


class SameOrigin:
    """ASGI middleware: 403 for whatever changes something when a browser says that another site's page sent it.

    A page elsewhere must not acknowledge with the reader's cookie, nor with no more than their way into this network. Without
    a browser there is nobody to be tricked: Alertmanager, PagerDuty and terminals send neither header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] == "http" and scope["method"] not in _SAFE and is_cross_site(request := Request(scope)):
            problem = Refusal(403, "This was sent by a page of another site, and nothing was done.")
            await answer_to(request, problem)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def is_cross_site(request: Request) -> bool:
    """What the browser says, if there is one."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and _host(origin) != request.headers.get("host", "").lower()


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
