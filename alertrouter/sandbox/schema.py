"""What PagerDuty's Events API v2 accepts. Stricter than life: a field that PagerDuty would ignore is an error here.

Source: PagerDuty's developer documentation, "Send an alert event" and "Send a change event".
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

LARGEST_BODY = 512_000


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank")
    return text


def _iso_8601(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is not an ISO 8601 time") from None
    return text


_Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{32}$")]
_DedupKey = Annotated[str, Field(max_length=255), AfterValidator(_said)]
_Summary = Annotated[str, Field(max_length=1024), AfterValidator(_said)]
_Said = Annotated[str, AfterValidator(_said)]
_Time = Annotated[str, AfterValidator(_iso_8601)]
_Url = Annotated[str, Field(pattern=r"^https?://[^\s/]\S*$")]
_HttpsUrl = Annotated[str, Field(pattern=r"^https://[^\s/]\S*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Link(_Strict):
    href: _Url
    text: str = ""


class _Image(_Strict):
    src: _HttpsUrl
    href: _Url = ""
    alt: str = ""


class _Payload(_Strict):
    summary: _Summary
    source: _Said
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: _Time = ""
    component: str = ""
    group: str = ""
    class_: str = Field("", alias="class")
    custom_details: dict[str, Any] = {}


class _Event(_Strict):
    routing_key: _Key
    links: list[_Link] = []
    images: list[_Image] = []
    client: str = ""  # documented for triggers alone; Alertmanager's own receiver sends both with each event
    client_url: _Url = ""


class _Trigger(_Event):
    event_action: Literal["trigger"]
    dedup_key: _DedupKey = ""
    payload: _Payload


class _FollowUp(_Event):
    event_action: Literal["acknowledge", "resolve"]
    dedup_key: _DedupKey
    payload: _Payload | None = None


class _UnknownAction(_Trigger):
    event_action: Literal["trigger", "acknowledge", "resolve"]  # type: ignore[assignment]


class _ChangePayload(_Strict):
    summary: _Summary
    source: str = ""
    timestamp: _Time = ""
    custom_details: dict[str, Any] = {}


class _Change(_Strict):
    routing_key: _Key
    payload: _ChangePayload
    links: list[_Link] = []


Kind = Literal["event", "change"]


def read(kind: Kind, body: bytes) -> tuple[dict[str, Any] | None, list[str]]:
    """The object in `body`, None if there is none, and all that is wrong with it as lines `field: what`.

    No line holds a value of the body. The size of the body is the caller's to judge (`LARGEST_BODY`).
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return None, [f"the body is not JSON: {error}"]
    except RecursionError:
        return None, ["the body is nested too deeply"]
    if not isinstance(value, dict):
        return None, ["the body is not an object"]
    try:
        (_Change if kind == "change" else _model(value)).model_validate(value)
    except ValidationError as error:
        return value, [_line(one["loc"], one["msg"]) for one in error.errors(include_url=False, include_input=False)]
    return value, []


def _model(event: Mapping[str, Any]) -> type[_Event]:
    action = event.get("event_action")
    if action == "trigger":
        return _Trigger
    return _FollowUp if action in ("acknowledge", "resolve") else _UnknownAction


def _line(place: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(map(str, place))}: {message.removeprefix('Value error, ')}"
