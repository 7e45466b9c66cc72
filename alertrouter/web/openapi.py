"""The OpenAPI 3.1 document, made from the shapes that the endpoints read and answer with."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alertrouter.web import schema

_REF = "#/components/schemas/{model}"
_WHY = {
    400: "something in the request cannot be read",
    401: "a token is wanted, or a sign-in",
    403: "this token, or this person, may only read; or a page of another site sent it",
    404: "there is no such thing",
    409: "its state does not allow it",
    413: "the body is larger than 64 KiB",
    503: "the database does not answer just now: try again",
}
_ID = {"incident": "^[0-9a-z]{26}$", "delivery": "^[0-9]{1,18}$"}


@dataclass(frozen=True, slots=True)
class _Operation:
    """What one method of one path does. `of` is what the id in the path belongs to."""

    method: str
    path: str
    name: str
    summary: str
    answer: type[BaseModel]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    of: str = ""


def _operations() -> Iterator[_Operation]:
    yield _Operation("get", "/incidents", "listIncidents", "Incidents, newest first", schema.Incidents, schema.WantedIncidents)
    yield _Operation(
        "get", "/incidents/{id}", "showIncident", "One incident with all that belongs to it", schema.Story, of="incident"
    )
    for action, summary, body in (
        ("acknowledge", "Somebody has it; again is the same", schema.By),
        ("resolve", "It is over; again is the same", schema.By),
        ("escalate", "Take the next step, or the one with that number, now", schema.EscalateBy),
        ("snooze", "Let the next step wait", schema.SnoozeBy),
    ):
        yield _Operation(
            "post", f"/incidents/{{id}}/{action}", f"{action}Incident", summary, schema.Story, None, body, "incident"
        )
    yield _Operation(
        "get", "/deliveries", "listDeliveries", "What is or was owed to PagerDuty", schema.Deliveries, schema.WantedDeliveries
    )
    for action, summary in (("retry", "Send it again"), ("discard", "Do not send it")):
        path = f"/deliveries/{{id}}/{action}"
        yield _Operation("post", path, f"{action}Delivery", summary, schema.Delivery, body=schema.By, of="delivery")
    yield _Operation("get", "/runbooks", "listRunbooks", "Sections of runbooks by words", schema.Sections, schema.WantedSections)


@cache
def document() -> dict[str, Any]:
    """The document; schemas of answers are those of what is sent, not of what would be accepted back."""
    operations = list(_operations())
    given = {one.body for one in operations if one.body}
    given |= {one.query for one in operations if one.query}
    answered = {one.answer for one in operations} | {schema.Error}
    wanted = [(one, "validation") for one in given] + [(one, "serialization") for one in answered]
    refs, definitions = models_json_schema(sorted(wanted, key=lambda one: one[0].__name__), ref_template=_REF)  # type: ignore[arg-type]
    schemas = definitions["$defs"]
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(f"/api/v1{one.path}", {})[one.method] = _described(one, refs, schemas)
    used = {name: found for name, found in schemas.items() if name not in {query.__name__ for query in _queries(operations)}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "alertrouter",
            "version": version("alertrouter"),
            "description": "Incidents, deliveries and runbooks. Errors are one clear line.",
        },
        "paths": paths,
        "components": {
            "schemas": used,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}, "password": {"type": "http", "scheme": "basic"}},
        },
        "security": [{"token": []}, {"password": []}, {}],
    }


def _queries(operations: list[_Operation]) -> set[type[BaseModel]]:
    return {one.query for one in operations if one.query}


def _described(one: _Operation, refs: dict[Any, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": one.name, "summary": one.summary}
    if parameters := [*_path_parameters(one), *_query_parameters(one, schemas)]:
        described["parameters"] = parameters
    if one.body:
        is_wanted = any(field.is_required() for field in one.body.model_fields.values())
        described["requestBody"] = {"required": is_wanted, "content": _json(refs[one.body, "validation"])}
    refused = [400, 401, 503] if one.method == "get" else [400, 401, 403, 404, 409, 413, 503]
    refused += [404] if one.of and one.method == "get" else []
    described["responses"] = {
        "200": {
            "description": "as asked",
            "content": _json(refs[one.answer, "serialization"]),
            "headers": {"ETag": {"schema": {"type": "string"}}},
        },
        **({"304": {"description": "it is as it was"}} if one.method == "get" else {}),
    }
    problem = _json({"$ref": _REF.format(model=schema.Error.__name__)})
    described["responses"] |= {str(status): {"description": _WHY[status], "content": problem} for status in sorted(refused)}
    return described


def _path_parameters(one: _Operation) -> Iterator[dict[str, Any]]:
    if one.of:
        yield {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": _ID[one.of]}}


def _query_parameters(one: _Operation, schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if one.query is None:
        return
    for name, found in schemas[one.query.__name__]["properties"].items():
        shape = next((choice for choice in found.get("anyOf", ()) if choice.get("type") != "null"), found)
        kept = {word: value for word, value in shape.items() if word not in {"title", "default"}}
        yield {"name": name, "in": "query", "schema": kept | ({"default": found["default"]} if found.get("default") else {})}


def _json(found: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": found}}


async def openapi(_request: Request) -> Response:
    """`/openapi.json`."""
    return JSONResponse(document())
