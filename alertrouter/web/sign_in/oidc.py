"""AUTH=oidc: people sign in with an OpenID provider; a signed cookie remembers who they are."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from alertrouter.settings import Settings
from alertrouter.web.http import Refusal
from alertrouter.web.rendering import readable

SESSION_SECONDS = 12 * 3600
_SECONDS = 5.0
_CLAIMS = ("preferred_username", "email", "name", "sub")
_log = structlog.get_logger()


class Oidc:
    """The authorization code flow with PKCE. The cookie holds a name, signed; nothing of it is a secret."""

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_client_secret
        assert settings.secret
        self._base_url = settings.base_url
        self._prefix = urlsplit(settings.base_url).path.rstrip("/")
        self._claims = (settings.oidc_name_claim,) if settings.oidc_name_claim else _CLAIMS
        self._provider = OAuth().register(
            "provider",
            server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret.get_secret_value(),
            client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256", "timeout": _SECONDS},
        )
        session = Middleware(
            SessionMiddleware,
            secret_key=settings.secret.get_secret_value(),
            session_cookie="alertrouter",
            max_age=SESSION_SECONDS,
            path=f"{self._prefix}/",
            same_site="lax",
            https_only=settings.base_url.startswith("https://"),
        )
        self.middleware: Sequence[Middleware] = [session]
        self.routes: Sequence[Route] = [
            Route("/sign-in", readable(self._begin, is_open=True)),
            Route("/sign-in/done", readable(self._finish, is_open=True)),
            Route("/sign-out", self._end, methods=["POST"]),
        ]

    async def name(self, request: Request) -> str | None:
        """The name in the cookie."""
        name: str | None = request.session.get("name")
        return name

    def ask(self, request: Request) -> Response:
        """To the provider, and back to where they were."""
        if request.method not in {"GET", "HEAD"}:
            raise Refusal(401, "You are not signed in any more. Go back, load the page again, and sign in.")
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{self._prefix}/sign-in?next={quote(here, safe='/')}", 303)

    async def _begin(self, request: Request) -> Response:
        request.session["next"] = _inside(request.query_params.get("next", ""))
        try:
            answer: Response = await self._provider.authorize_redirect(request, f"{self._base_url}/sign-in/done")
        except (httpx.HTTPError, OAuthError, ValueError, KeyError, RuntimeError) as problem:
            raise self._trouble(problem) from None
        return answer

    async def _finish(self, request: Request) -> Response:
        try:
            token: dict[str, Any] = await self._provider.authorize_access_token(request)
        except OAuthError as problem:
            _log.warning("somebody could not sign in", why=str(problem))
            raise Refusal(403, "The provider did not sign you in. Start again from the first page.") from None
        except (httpx.HTTPError, JoseError, ValueError, KeyError) as problem:
            raise self._trouble(problem) from None
        claims = token.get("userinfo") or {}
        name = next((str(claims[claim]) for claim in self._claims if claims.get(claim)), "")
        if not name:
            raise Refusal(403, "The provider did not say who you are (wanted: %(claims)s).", claims=", ".join(self._claims))
        back = _inside(request.session.get("next", ""))
        request.session.clear()
        request.session["name"] = name[:200]
        return RedirectResponse(self._prefix + back, 303)

    async def _end(self, request: Request) -> Response:
        request.session.clear()
        return RedirectResponse(f"{self._prefix}/", 303)

    def _trouble(self, problem: Exception) -> Refusal:
        _log.warning("the sign-in provider cannot be used", error=type(problem).__name__)
        return Refusal(503, "The sign-in provider does not answer as it should. The terminal's commands still work.")


def _inside(path: str) -> str:
    """`path` if it is a page of this service, else the first page: nobody is sent elsewhere."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
