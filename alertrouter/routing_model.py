"""The shape of the routing file: what pydantic checks, and the JSON Schema for editors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from alertrouter.durations import parse_duration
from alertrouter.incidents import NOBODY, Severity
from alertrouter.routing import parse_matcher
from alertrouter.runbooks.lint import CODES

DEFAULT_TARGET = "oncall"
_KEY = re.compile("[A-Za-z0-9]{32}")
_SHORTEST_BEAT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Known:
    """What the fields are checked against: the target of each name and alias, in folded case, and the environment.

    `with_keys` false leaves out the keys that are kept elsewhere.
    """

    names: Mapping[str, str]
    env: Mapping[str, str]
    with_keys: bool


def _duration(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration such as 90s, 15m or 1h30m")
    return parse_duration(value)


def _matcher(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a matcher")
    return parse_matcher(value)


def _known(info: ValidationInfo) -> Known:
    assert isinstance(info.context, Known)
    return info.context


def _target(name: str, info: ValidationInfo) -> str:
    """The target's own name; without any targets, which is a problem of its own, every name will do."""
    names = _known(info).names
    if names and name.casefold() not in names:
        raise ValueError(f"there is no target {name}")
    return str(names.get(name.casefold(), name))


def _target_or_nobody(name: str, info: ValidationInfo) -> str:
    return name if name == NOBODY else _target(name, info)


def _own_or_target(name: str, info: ValidationInfo) -> str:
    return _target(name, info) if name else name


def _key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise ValueError("a routing key is 32 letters and digits")
    return text


def _key_in_env(variable: str, info: ValidationInfo) -> str:
    if not _known(info).with_keys:
        return ""
    key = _known(info).env.get(variable)
    if not key:
        raise ValueError(f"the variable {variable} is not set")
    return _key(key.strip())


def _key_in_file(path: str, info: ValidationInfo) -> str:
    if not _known(info).with_keys:
        return ""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise ValueError(f"the file {path} cannot be read") from None
    return _key(text.strip())


def _code(code: str) -> str:
    if code not in CODES:
        raise ValueError(f"the lint has no code {code}")
    return code


def _beat(interval: timedelta) -> timedelta:
    if interval < _SHORTEST_BEAT:
        raise ValueError("a heartbeat is awaited for at least 1m")
    return interval


def _urls(value: object) -> object:
    """One address, or a list of them."""
    return [value] if isinstance(value, str) else value


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        is_web = is_web and not (parts.query or parts.fragment)
    except ValueError:
        is_web = False
    if not is_web:
        raise ValueError("it is not the http or https address of an Alertmanager")  # which may hold a password
    return url.rstrip("/")


_DURATION = {"type": "string", "pattern": r"^\s*(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?\s*$", "examples": ["90s", "15m", "1h30m"]}
_URLS = {"anyOf": [{"type": "string", "format": "uri"}, {"type": "array", "items": {"type": "string", "format": "uri"}}]}
Duration = Annotated[timedelta, BeforeValidator(_duration), WithJsonSchema(_DURATION)]
Matcher = Annotated[Any, BeforeValidator(_matcher), WithJsonSchema({"type": "string", "examples": ['team=~"db|storage"']})]
Addresses = Annotated[
    list[Annotated[str, AfterValidator(_address)]], Field(min_length=1), BeforeValidator(_urls), WithJsonSchema(_URLS)
]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Source = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Key = Annotated[str, AfterValidator(_key)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, validate_default=True)


class TargetModel(_Model):
    """However the key is given, what is kept is the key itself."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [f"routing_key{end}"]} for end in ("", "_env", "_file")]},
    )

    routing_key: Key | None = None
    routing_key_env: Annotated[str, AfterValidator(_key_in_env)] | None = None
    routing_key_file: Annotated[str, AfterValidator(_key_in_file)] | None = None
    aliases: list[str] = []
    previous_routing_keys: list[Key] = []

    @property
    def keys(self) -> list[str]:
        return [key for key in (self.routing_key, self.routing_key_env, self.routing_key_file) if key is not None]

    @model_validator(mode="after")
    def _one_key(self) -> "TargetModel":
        if len(self.keys) != 1:
            raise ValueError("it wants one of routing_key, routing_key_env and routing_key_file")
        return self


class _Step(_Model):
    after: Duration
    to: Annotated[str, AfterValidator(_own_or_target)] = ""
    unless: Literal["acknowledged", "resolved"] = "acknowledged"


class RouteModel(_Model):
    match: list[Matcher]
    target: Annotated[str, AfterValidator(_target_or_nobody)] | None = None
    incident_per: Literal["group", "alert"] = "group"
    repage_on_new_alert: bool = True
    resolve_hold: Duration | None = None
    severity: Severity | None = None
    escalation: list[_Step] | None = None
    heartbeat: Annotated[Duration, AfterValidator(_beat)] | None = None
    fallback: bool | None = None

    @model_validator(mode="after")
    def _heartbeat_pages(self) -> "RouteModel":
        if self.heartbeat and self.target == NOBODY:
            raise ValueError(f"a heartbeat with target {NOBODY} would tell nobody when it is lost")
        if self.heartbeat and self.fallback is not None:
            raise ValueError("a lost heartbeat goes every way there is: fallback cannot be chosen with heartbeat")
        return self


class _Lint(_Model):
    ignore: list[Annotated[str, AfterValidator(_code)]] = []
    labels: list[str] = []


class File(_Model):
    targets: Annotated[dict[Name, TargetModel], Field(min_length=1)]
    routes: list[RouteModel] = []
    default_target: Annotated[str, AfterValidator(_target)] = DEFAULT_TARGET
    alertmanagers: dict[Source, Addresses] = {}
    lint: _Lint = _Lint()


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    named = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "alertrouter's routing file"}
    return named | {name: value for name, value in File.model_json_schema().items() if name not in named}
