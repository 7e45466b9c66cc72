"""The routing file: YAML to `Routing`, with every problem as `file:line: message`."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from alertrouter.durations import parse_duration
from alertrouter.escalation import Step, in_order
from alertrouter.incidents import NOBODY
from alertrouter.routing import Route, Routing, Target, parse_matcher
from alertrouter.runbooks.lint import CODES
from alertrouter.settings import Settings

DEFAULT_TARGET = "oncall"
_LATER = {"heartbeat", "alertmanagers"}
_KEY = re.compile("[A-Za-z0-9]{32}")
_DEEPEST = 20
_MOST_PLACES = 200_000  # anchors can make a small file endless
Place = tuple[str | int, ...]


class RoutingFileError(Exception):
    """The routing file is wrong: `problems` holds one `file:line: message` for each fault, and never a key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class _Known:
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


def _known(info: ValidationInfo) -> _Known:
    assert isinstance(info.context, _Known)
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


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Key = Annotated[str, AfterValidator(_key)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, validate_default=True)


class _Target(_Model):
    """However the key is given, what is kept is the key itself."""

    routing_key: Key | None = None
    routing_key_env: Annotated[str, AfterValidator(_key_in_env)] | None = None
    routing_key_file: Annotated[str, AfterValidator(_key_in_file)] | None = None
    aliases: list[str] = []
    previous_routing_keys: list[Key] = []

    @property
    def keys(self) -> list[str]:
        return [key for key in (self.routing_key, self.routing_key_env, self.routing_key_file) if key is not None]

    @model_validator(mode="after")
    def _one_key(self) -> "_Target":
        if len(self.keys) != 1:
            raise ValueError("it wants one of routing_key, routing_key_env and routing_key_file")
        return self


class _Step(_Model):
    after: Duration
    to: Annotated[str, AfterValidator(_own_or_target)] = ""
    unless: Literal["acknowledged", "resolved"] = "acknowledged"


class _Route(_Model):
    match: list[Annotated[Any, BeforeValidator(_matcher)]]
    target: Annotated[str, AfterValidator(_target_or_nobody)] | None = None
    incident_per: Literal["group", "alert"] = "group"
    repage_on_new_alert: bool = True
    resolve_hold: Duration | None = None
    severity: str | None = None
    escalation: list[_Step] | None = None


class _Lint(_Model):
    ignore: list[Annotated[str, AfterValidator(_code)]] = []


class _File(_Model):
    targets: Annotated[dict[Name, _Target], Field(min_length=1)]
    routes: list[_Route] = []
    default_target: Annotated[str, AfterValidator(_target)] = DEFAULT_TARGET
    lint: _Lint = _Lint()


def read_routing(
    path: Path | None, settings: Settings, env: Mapping[str, str] | None = None, *, with_keys: bool = True
) -> Routing:
    """Read the routing file; without one there is the target `oncall` with the routing key of the settings, if it has one.

    Every name of a target in the answer is the target's own, not an alias. With `with_keys` false, keys that are kept in
    variables and files are not asked for, and the targets have none. Raises RoutingFileError with every problem.
    """
    if path is None:
        secret = settings.pagerduty_routing_key
        key = secret.get_secret_value() if secret else None
        return Routing([Target(DEFAULT_TARGET, key)], (), DEFAULT_TARGET)
    return _Reader(path).read(os.environ if env is None else env, with_keys)


class _Reader:
    """One reading of one file, collecting problems by their places."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[Place, int] = {(): 1}
        self._problems: list[tuple[int, str]] = []

    def read(self, env: Mapping[str, str], with_keys: bool) -> Routing:
        raw = self._yaml()
        if not isinstance(raw, dict):
            self._stop(1, "it is not a mapping with targets")
        known = _Known(self._names(raw.get("targets")), env, with_keys)
        try:
            model = _File.model_validate(raw, context=known)
        except ValidationError as error:
            for one in error.errors(include_url=False, include_input=False):
                self._problem(one["loc"], _message(one))
        else:
            if not self._problems:
                return self._routing(model)
        raise self._error()

    def _yaml(self) -> Any:
        try:
            node = yaml.compose(self._path.read_text(encoding="utf-8"), yaml.SafeLoader)
            if node is None:
                return None
            self._note(node, ())
            if self._problems:  # what stands twice has no one meaning to check
                raise self._error()
            return yaml.SafeLoader("").construct_document(node)
        except OSError as error:
            raise RoutingFileError([f"{self._path}: it cannot be read: {error.strerror}"]) from None
        except UnicodeDecodeError:
            self._stop(1, "it is not UTF-8")
        except yaml.MarkedYAMLError as error:
            self._stop(error.problem_mark.line + 1 if error.problem_mark else 1, str(error.problem))
        except RecursionError:
            self._stop(1, "it is nested too deeply")
        except (yaml.YAMLError, ValueError) as error:
            self._stop(1, str(error).splitlines()[0])

    def _note(self, node: yaml.Node, place: Place) -> None:
        """Remember the line of every place; a key that stands twice is a problem."""
        self._lines.setdefault(place, node.start_mark.line + 1)
        if len(place) > _DEEPEST or len(self._lines) > _MOST_PLACES:
            self._stop(node.start_mark.line + 1, "it is nested too deeply")
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                name = str(key.value)
                self._lines[(*place, name)] = line = key.start_mark.line + 1
                if name in seen:
                    self._problems.append((line, f"{name} stands twice"))
                seen.add(name)
                self._note(value, (*place, name))
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self._note(item, (*place, number))

    def _names(self, targets: Any) -> dict[str, str]:
        """The target of each name and alias, in folded case, of targets that nobody has checked yet."""
        known: dict[str, str] = {}
        for name, given in targets.items() if isinstance(targets, dict) else ():
            aliases = given.get("aliases") if isinstance(given, dict) else None
            for one in (str(name), *map(str, aliases if isinstance(aliases, list) else ())):
                folded = one.casefold()
                if folded == NOBODY:
                    self._problem(("targets", name), f"{NOBODY} is the target that pages nobody; choose another name")
                elif known.setdefault(folded, str(name)) != str(name):
                    self._problem(("targets", name), f"{one} is a name of {known[folded]}, too")
        return known

    def _routing(self, model: _File) -> Routing:
        targets = [
            Target(name, one.keys[0] or None, tuple(one.aliases), tuple(one.previous_routing_keys))
            for name, one in model.targets.items()
        ]
        routes = (self._route(number, one, model.default_target) for number, one in enumerate(model.routes))
        return Routing(targets, routes, model.default_target, model.lint.ignore)

    def _route(self, number: int, given: _Route, default_target: str) -> Route:
        steps = [Step(step.after, step.to, step.unless) for step in given.escalation or ()]
        return Route(
            tuple(given.match),
            given.target or default_target,
            given.incident_per == "alert",
            given.repage_on_new_alert,
            given.resolve_hold,
            given.severity,
            None if given.escalation is None else in_order(steps),
            self._lines.get(("routes", number), 0),
        )

    def _problem(self, place: Place, message: str) -> None:
        while place not in self._lines:
            place = place[:-1]
        self._problems.append((self._lines[place], message))

    def _stop(self, line: int, message: str) -> NoReturn:
        self._problems.append((line, message))
        raise self._error()

    def _error(self) -> RoutingFileError:
        return RoutingFileError([f"{self._path}:{line}: {message}" for line, message in sorted(self._problems)])


def _message(error: Any) -> str:
    name, said = str(error["loc"][-1]), str(error["msg"]).removeprefix("Value error, ")
    if name == "[key]":
        return "a target's name is 1 to 64 letters, digits, dots, dashes and underscores"
    own = {
        "extra_forbidden": f"{name} is not supported by this version" if name in _LATER else f"there is no option {name}",
        "missing": f"{name} is missing",
        "too_short": f"{name} is empty",
        "model_type": "it is not a mapping",
        "value_error": said,
    }
    return own.get(error["type"], said if name.isdecimal() else f"{name}: {said}")
