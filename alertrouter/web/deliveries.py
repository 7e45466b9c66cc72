"""What people do to a delivery: over the API, and with the buttons of the on-call page."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alertrouter.deliveries import NotPossibleError
from alertrouter.service import Service
from alertrouter.store import dead_letters
from alertrouter.store.dead_letters import UnknownDeliveryError, Wish
from alertrouter.tables import DeliveryRow
from alertrouter.web import forms, views
from alertrouter.web.api import read_object, with_token
from alertrouter.web.http import Refusal, answer, error, read_fields, service_of
from alertrouter.web.rendering import Endpoint, prefix_of
from alertrouter.web.schema import By, Delivery

_HANDLERS = {"retry": dead_letters.retry, "discard": dead_letters.discard}
_LONGEST_ID = 18


def asking(action: str) -> Endpoint:
    """Retry or discard: 200 with the delivery, 404 for one that is not there, 409 where its state does not allow it."""

    @with_token
    async def ask(request: Request) -> Response:
        service, wish = service_of(request), Wish(_id(request), read_fields(await read_object(request), By).name)
        try:
            await service.writer.submit(_HANDLERS[action], wish)
        except UnknownDeliveryError as problem:
            return error(404, str(problem))
        except NotPossibleError as problem:
            return error(409, str(problem))
        return answer(request, await asyncio.to_thread(_read, service, wish.delivery_id))

    return ask


def pressing(action: str) -> Endpoint:
    """The same as a button of the on-call page."""

    async def deed(request: Request, fields: Mapping[str, str]) -> None:
        await service_of(request).writer.submit(_HANDLERS[action], Wish(_id(request), read_fields(fields, By).name))

    return forms.pressing(deed, lambda request: f"{prefix_of(request)}/")


def _id(request: Request) -> int:
    given: str = request.path_params["id"]
    if not (given.isascii() and given.isdecimal() and len(given) <= _LONGEST_ID):
        raise Refusal(404, "there is no such delivery")
    return int(given)


def _read(service: Service, delivery_id: int) -> Delivery:
    with service.database.read() as session:
        return views.delivery(session.get_one(DeliveryRow, delivery_id))


routes = [
    *(Route(f"/api/v1/deliveries/{{id}}/{action}", asking(action), methods=["POST"]) for action in _HANDLERS),
    *(Route(f"/deliveries/{{id}}/{action}", pressing(action), methods=["POST"]) for action in _HANDLERS),
]
