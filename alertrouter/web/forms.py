"""The buttons of an incident's page: plain forms, answered by going back to the page."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Annotated
from urllib.parse import parse_qs

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from alertrouter.actions import Action, UnknownIncidentError, act
from alertrouter.deliveries import NotPossibleError
from alertrouter.incidents import Escalated, NothingLeftError
from alertrouter.store.database import UnavailableError
from alertrouter.store.dead_letters import UnknownDeliveryError
from alertrouter.store.writer import OverloadedError
from alertrouter.urls import incident_url
from alertrouter.web.api import event_of
from alertrouter.web.http import Refusal, incident_id, read_body, read_fields, service_of
from alertrouter.web.rendering import Endpoint, message, prefix_of, readable, say_to, sentence_of, viewer

_MOST_BODY = 64 * 1024
_MOST_FIELDS = 20


class _Seen(BaseModel):
    """The last step that had been taken when the page with the button was made, and the one that it offered to take."""

    after: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    next: Annotated[int, Field(ge=0, lt=2**31)] | None = None


Deed = Callable[[Request, Mapping[str, str]], Awaitable[None]]


def pressing(deed: Deed, back_to: Callable[[Request], str], *, is_open: bool = False) -> Endpoint:
    """A button: 303 to the page at `back_to`; 403 for readers, 404, 409 and 503 as pages that lead back.

    `deed` is given the fields of the form, and in `by` who has signed in, where people do. `is_open`: nobody has to.
    """

    async def press(request: Request) -> Response:
        who, say = viewer(request), say_to(request)
        if not who.may_act:
            raise Refusal(403, "%(name)s may read and not act (ALERTROUTER_AUTH_ACTORS)", name=who.name)
        back = back_to(request)
        try:
            fields = await read_form(request)
            await deed(request, fields | {"by": who.name} if who.name else fields)
        except (UnknownIncidentError, UnknownDeliveryError) as problem:
            raise Refusal(404, problem) from None
        except (NothingLeftError, NotPossibleError) as problem:
            return message(request, 409, say("Nothing was done. %(why)s") % {"why": sentence_of(problem, say)}, back)
        except (UnavailableError, OverloadedError):
            why = say("Nothing was done: the database does not answer just now. Go back and press again.")
            return message(request, 503, why, back)
        return RedirectResponse(back, 303)

    return readable(press, is_open=is_open)


def acting(action: str) -> Endpoint:
    """What is done to an incident; back to its page."""

    async def deed(request: Request, fields: Mapping[str, str]) -> None:
        event = event_of(action, fields)
        if isinstance(event, Escalated):
            seen = read_fields(fields, _Seen)
            event = replace(event, after=seen.after, next=seen.next)
        await service_of(request).writer.submit(act, Action(incident_id(request), event))

    return pressing(deed, lambda request: incident_url(prefix_of(request), incident_id(request)))


async def read_form(request: Request) -> dict[str, str]:
    """The first value of each field."""
    body = await read_body(request, _MOST_BODY)
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Refusal(400, "The form has too many fields.") from None
    return {name: values[0] for name, values in fields.items()}
