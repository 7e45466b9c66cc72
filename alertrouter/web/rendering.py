"""How the pages are made: templates, moments and durations for people, errors that can be read."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import cache, partial, wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from alertrouter.moments import rfc3339
from alertrouter.refusals import RefusalError
from alertrouter.store.database import UnavailableError, is_unavailable
from alertrouter.store.writer import OverloadedError
from alertrouter.timeline import action, reason, sentence
from alertrouter.web.http import Refusal, service_of
from alertrouter.web.languages import Say, catalogue, choose, say_in
from alertrouter.web.sign_in.viewer import ANYBODY, Viewer, ask, viewer_of

Endpoint = Callable[[Request], Awaitable[Response]]


def _title(status: int, say: Say) -> str:
    titles = {
        400: say("That cannot be read"),
        401: say("Sign in"),
        403: say("Refused"),
        404: say("Not found"),
        405: say("Not this way"),
        409: say("That cannot be done now"),
        410: say("That is over"),
        413: say("Too large"),
        503: say("Try again in a moment"),
    }
    return titles.get(status, say("Something went wrong"))


def language_of(request: Request) -> str:
    """The language that the reader's browser prefers."""
    return choose(request.headers.get("accept-language", ""))


def say_to(request: Request) -> Say:
    """What says a text in that language."""
    return say_in(language_of(request))


def prefix_of(request: Request) -> str:
    """What the paths of links on the pages start with: the path of PUBLIC_URL, empty for most."""
    return urlsplit(service_of(request).base_url).path.rstrip("/")


def viewer(request: Request) -> Viewer:
    """Who looks at a page that `readable` let them in to."""
    found: Viewer = getattr(request.state, "viewer", ANYBODY)
    return found


def page(request: Request, template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
    """A page from a template."""
    language = language_of(request)
    shown = (
        _templates(language)
        .get_template(template)
        .render(
            prefix=prefix_of(request), viewer=viewer(request), can_sign_out=service_of(request).settings.auth == "oidc", **values
        )
    )
    return HTMLResponse(shown, status, {"Content-Language": language, "Vary": "Accept-Language"})


def message(request: Request, status: int, text: str, back: str = "") -> HTMLResponse:
    """A page that says one thing; `back` is an address to return to. One that cannot be shown just now tries again by itself."""
    again = status == 503 and request.method == "GET"
    say = say_to(request)
    return page(request, "message.html", status, title=_title(status, say), text=text, back=back, again=again)


def refuse(request: Request, problem: HTTPException, back: str = "") -> HTMLResponse:
    """An error as a page, in a whole sentence."""
    text = sentence_of(problem.why, say_to(request)) if isinstance(problem, Refusal) else problem.detail
    shown = message(request, problem.status_code, text, back)
    shown.headers.update(problem.headers or {})
    return shown


def sentence_of(why: RefusalError, say: Say) -> str:
    """A refusal as a sentence, with a capital unless it begins with a name that has to stay as it is."""
    text = why.said(say)
    begins_with_value = say(why.text).startswith("%(")
    return (text if begins_with_value else f"{text[:1].upper()}{text[1:]}") + ("" if text.endswith(".") else ".")


def readable(endpoint: Endpoint, *, is_open: bool = False) -> Endpoint:
    """Let in who has signed in, unless `is_open`; turn errors, and a database that is down, into pages."""

    @wraps(endpoint)
    async def shown(request: Request) -> Response:
        try:
            if not is_open:
                found = await viewer_of(request, service_of(request).settings)
                if found is None:
                    return ask(request)
                request.state.viewer = found
            return await endpoint(request)
        except HTTPException as problem:
            return refuse(request, problem)
        except DBAPIError as problem:
            if not is_unavailable(problem):
                raise
        except (UnavailableError, OverloadedError):
            pass
        say = say_to(request)
        return message(request, 503, say("The database does not answer just now. The runbooks can still be read."))

    return shown


def spell(duration: timedelta) -> str:
    """A duration as people say it, in its two largest units: `42 s`, `12 min`, `2 h 5 min`, `3 d 4 h`; seconds only alone."""
    seconds = max(int(duration.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    units = ((days, "d"), (hours, "h"), (minutes, "min")) if not days else ((days, "d"), (hours, "h"))
    return " ".join(f"{count} {unit}" for count, unit in units if count)


def seconds(duration: float | None) -> str:
    """Seconds as people say them; a dash for none."""
    return "–" if duration is None else spell(timedelta(seconds=duration))


def when(moment: datetime) -> Markup:
    """A moment as a `<time>` in UTC, to the second."""
    moment = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M:%S} UTC</time>').format(rfc3339(moment), moment)


def until(say: Say, moment: datetime, now: datetime) -> Markup:
    """How long it is from `now` to `moment`, with the moment to hover over; "now" once it has come."""
    text = say("in %(duration)s") % {"duration": spell(moment - now)} if moment > now else say("now")
    return Markup(f'<span title="{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC">{escape(text)}</span>')  # noqa: S704


def web_link(url: str) -> str:
    """`url` if it is a whole http or https address, else nothing: labels may hold any scheme."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and parts.netloc else ""


def severity(say: Say, name: str) -> str:
    """A severity for people."""
    names = {"critical": say("critical"), "error": say("error"), "warning": say("warning"), "info": say("info")}
    return names.get(name, name)


def state(say: Say, name: str) -> str:
    """What a status or the state of a delivery is called."""
    names = {
        "triggered": say("triggered"),
        "acknowledged": say("acknowledged"),
        "resolved": say("resolved"),
        "pending": say("pending"),
        "sent": say("sent"),
        "superseded": say("superseded"),
        "dead": say("dead"),
    }
    return names.get(name, name)


@cache
def _templates(language: str) -> Environment:
    """The templates in one language."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    say = say_in(language)
    made.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    made.policies["ext.i18n.trimmed"] = True
    made.globals |= {"language": language, "_": _sayer(say)}
    made.filters |= {"spell": spell, "seconds": seconds, "when": when, "web_link": web_link}
    made.filters |= {name: partial(tell, say) for name, tell in (("until", until), ("severity", severity), ("state", state))}
    made.filters |= {name: partial(_last, tell, say) for name, tell in (("reason", reason), ("action", action))}
    made.globals["sentence"] = partial(sentence, say=say)
    return made


def _sayer(say: Say) -> Callable[..., Markup]:
    """What `_` is in templates: like Jinja's own, but that a text is looked up in its context and in the catalogue once.

    For literal texts alone: they are kept, and trusted as HTML.
    """
    said = cache(lambda text: Markup(say(text)))  # noqa: S704
    return lambda text, /, **values: said(text) % values


def _last(tell: Callable[[str, Say], str], say: Say, text: str) -> str:
    return tell(text, say)
