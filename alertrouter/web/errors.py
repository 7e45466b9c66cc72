"""What is answered where no page and no part of the API is: to a browser in the reader's language, to programs as JSON."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from alertrouter.web.headers import protect
from alertrouter.web.http import Refusal, error
from alertrouter.web.rendering import refuse

_PROGRAMS = ("/api/", "/webhooks/")


def answer_to(request: Request, problem: HTTPException) -> Response:
    """The error as a page for whoever takes HTML, else as JSON; under the API and the webhooks as JSON for all."""
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_PROGRAMS):
        return refuse(request, problem)
    return error(problem.status_code, problem.detail, dict(problem.headers or {}))


async def on_refusal(request: Request, problem: Exception) -> Response:
    """The answer to what an endpoint refuses, or the table of routes does."""
    assert isinstance(problem, HTTPException)
    return answer_to(request, problem if isinstance(problem, Refusal) else _in_words(request, problem))


async def on_failure(request: Request, _problem: Exception) -> Response:
    """500, with the headers that it would not get any more: it is answered outside of all other middleware."""
    answer = answer_to(request, Refusal(500, "an unexpected error; the log of alertrouter says more"))
    protect(answer.headers)
    return answer


def _in_words(request: Request, problem: HTTPException) -> HTTPException:
    """What Starlette says in two words."""
    path, headers = request.url.path[:200], problem.headers
    if problem.status_code == 404:
        return Refusal(404, "there is nothing at %(path)s", headers, path=path)
    if problem.status_code == 405:
        allowed = sorted((headers or {}).get("Allow", "").split(", "))
        methods = {"allowed": ", ".join(allowed), "method": request.method}
        return Refusal(405, "%(path)s takes %(allowed)s and not %(method)s", headers, path=path, **methods)
    return problem
