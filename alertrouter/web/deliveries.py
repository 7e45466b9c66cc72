"""What people do to a delivery: over the API, and with the buttons of the on-call page."""

import asyncio
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from alertrouter.deliveries import NotPossibleError
from alertrouter.service import Service
from alertrouter.store import dead_letters
from alertrouter.store.database import UnavailableError
from alertrouter.store.dead_letters import UnknownDeliveryError, Wish
from alertrouter.store.writer import OverloadedError
from alertrouter.tables import DeliveryRow
from alertrouter.web import views
from alertrouter.web.api import name_in, read_object, with_token
from alertrouter.web.forms import is_cross_site, read_form
from alertrouter.web.http import error, service_of
from alertrouter.web.rendering import Endpoint, message, prefix_of, readable

_HANDLERS = {"retry": dead_letters.retry, "discard": dead_letters.discard}
_LONGEST_ID = 18


def asking(action: str) -> Endpoint:
    """Retry or discard: 200 with the delivery, 404 for one that is not there, 409 where its state does not allow it."""

    @with_token
    async def ask(request: Request) -> Response:
        service, wish = service_of(request), Wish(_id(request), name_in(await read_object(request)))
        try:
            await service.writer.submit(_HANDLERS[action], wish)
        except UnknownDeliveryError as problem:
            return error(404, str(problem))
        except NotPossibleError as problem:
            return error(409, str(problem))
        return JSONResponse(await asyncio.to_thread(_read, service, wish.delivery_id))

    return ask


def pressing(action: str) -> Endpoint:
    """One button: 303 to the on-call page; 403 from another site, 404, 409 and 503 as pages that lead back."""

    @readable
    async def press(request: Request) -> Response:
        if is_cross_site(request):
            raise HTTPException(403, "The button was not pressed on a page of alertrouter.")
        back = f"{prefix_of(request)}/"
        wish = Wish(_id(request), name_in(await read_form(request)))
        try:
            await service_of(request).writer.submit(_HANDLERS[action], wish)
        except UnknownDeliveryError:
            raise HTTPException(404, "There is no such delivery.") from None
        except NotPossibleError as problem:
            return message(request, 409, f"Nothing was done. {problem}.", back)
        except (UnavailableError, OverloadedError):
            why = "Nothing was done: the database does not answer just now. Go back and press again."
            return message(request, 503, why, back)
        return RedirectResponse(back, 303)

    return press


def _id(request: Request) -> int:
    given: str = request.path_params["id"]
    if not (given.isascii() and given.isdecimal() and len(given) <= _LONGEST_ID):
        raise HTTPException(404, "there is no such delivery")
    return int(given)


def _read(service: Service, delivery_id: int) -> dict[str, Any]:
    with service.database.read() as session:
        return views.delivery_json(session.get_one(DeliveryRow, delivery_id))


routes = [
    *(Route(f"/api/v1/deliveries/{{id}}/{action}", asking(action), methods=["POST"]) for action in _HANDLERS),
    *(Route(f"/deliveries/{{id}}/{action}", pressing(action), methods=["POST"]) for action in _HANDLERS),
]
