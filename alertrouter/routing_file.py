"""The routing file: YAML to `Routing`, with every problem as `file:line: message`."""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from alertrouter.durations import parse_duration
from alertrouter.escalation import Step, in_order
from alertrouter.incidents import NOBODY
from alertrouter.routing import Route, Routing, Target, parse_matcher
from alertrouter.settings import Settings

DEFAULT_TARGET = "oncall"
_LATER = {"heartbeat", "alertmanagers"}
_KEY = re.compile("[A-Za-z0-9]{32}")
Place = tuple[str | int, ...]


class RoutingFileError(Exception):
    """The routing file is wrong: `problems` holds one `file:line: message` for each fault, and never a key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _duration(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration such as 90s, 15m or 1h30m")
    return parse_duration(value)


def _matcher(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a matcher")
    return parse_matcher(value)


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class _Target(_Model):
    routing_key: str | None = None
    routing_key_env: str | None = None
    routing_key_file: str | None = None
    aliases: list[str] = []
    previous_routing_keys: list[str] = []


class _Step(_Model):
    after: Duration
    to: str = ""
    unless: Literal["acknowledged", "resolved"] = "acknowledged"


class _Route(_Model):
    match: list[Annotated[Any, BeforeValidator(_matcher)]]
    target: str | None = None
    incident_per: Literal["group", "alert"] = "group"
    repage_on_new_alert: bool = True
    resolve_hold: Duration | None = None
    severity: str | None = None
    escalation: list[_Step] | None = None


class _File(_Model):
    targets: dict[Name, _Target]
    routes: list[_Route] = []
    default_target: str = DEFAULT_TARGET


def read_routing(path: Path | None, settings: Settings, env: Mapping[str, str] | None = None) -> Routing:
    """Read the routing file; without one there is the target `oncall` with the routing key of the settings, if it has one.

    Raises RoutingFileError with every problem.
    """
    if path is None:
        secret = settings.pagerduty_routing_key
        key = secret.get_secret_value() if secret else None
        return Routing([Target(DEFAULT_TARGET, key)], (), DEFAULT_TARGET)
    return _Reader(path, os.environ if env is None else env).read()


class _Reader:
    """One reading of one file, collecting problems by their places."""

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self._path = path
        self._env = env
        self._lines: dict[Place, int] = {}
        self._problems: list[tuple[int, str]] = []

    def read(self) -> Routing:
        model = self._model(self._yaml())
        targets = [self._target(name, one) for name, one in model.targets.items()]
        self._check_names(model, targets)
        self._raise_problems()
        routes = [self._route(number, one, model.default_target) for number, one in enumerate(model.routes)]
        return Routing(targets, routes, model.default_target)

    def _yaml(self) -> Any:
        try:
            node = yaml.compose(self._path.read_text(encoding="utf-8"), yaml.SafeLoader)
        except OSError as error:
            raise RoutingFileError([f"{self._path}: it cannot be read: {error.strerror}"]) from None
        except UnicodeDecodeError:
            raise RoutingFileError([f"{self._path}:1: it is not UTF-8"]) from None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise RoutingFileError([f"{self._path}:{line}: {error.problem}"]) from None
        except (yaml.YAMLError, RecursionError) as error:
            raise RoutingFileError([f"{self._path}:1: {str(error).splitlines()[0]}"]) from None
        self._note(node, ())
        self._raise_problems()
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_document(node) if node else None
        except (yaml.YAMLError, ValueError) as error:
            raise RoutingFileError([f"{self._path}:1: {str(error).splitlines()[0]}"]) from None

    def _note(self, node: yaml.Node | None, place: Place, depth: int = 0) -> None:
        """Remember the line of every place; a key that stands twice is a problem."""
        if node is None:
            return
        self._lines.setdefault(place, node.start_mark.line + 1)
        if depth > 20:
            self._problem(place, "it is nested too deeply")
        elif isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                name = str(key.value)
                self._lines[(*place, name)] = key.start_mark.line + 1
                if name in seen:
                    self._problem((*place, name), f"{name} stands twice")
                seen.add(name)
                self._note(value, (*place, name), depth + 1)
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self._note(item, (*place, number), depth + 1)

    def _model(self, raw: Any) -> _File:
        if not isinstance(raw, dict):
            raise RoutingFileError([f"{self._path}:1: it is not a mapping with targets"])
        try:
            return _File.model_validate(raw)
        except ValidationError as error:
            for one in error.errors():
                self._problem(one["loc"], _message(one))
            self._raise_problems()
            raise

    def _target(self, name: str, given: _Target) -> Target:
        place = ("targets", name)
        if name == NOBODY:
            self._problem(place, f"{NOBODY} is the target that pages nobody; choose another name")
        for number, key in enumerate(given.previous_routing_keys):
            self._key(key, (*place, "previous_routing_keys", number))
        return Target(name, self._current_key(place, given), tuple(given.aliases), tuple(given.previous_routing_keys))

    def _current_key(self, place: Place, given: _Target) -> str | None:
        ways = [way for way in ("routing_key", "routing_key_env", "routing_key_file") if getattr(given, way) is not None]
        if len(ways) != 1:
            self._problem(place, "it wants one of routing_key, routing_key_env and routing_key_file")
            return None
        text: str = getattr(given, ways[0])
        place = (*place, ways[0])
        if ways[0] == "routing_key_env":
            if not self._env.get(text):
                self._problem(place, f"the variable {text} is not set")
                return None
            text = self._env[text]
        elif ways[0] == "routing_key_file":
            try:
                text = Path(text).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                self._problem(place, f"the file {text} cannot be read")
                return None
        return self._key(text.strip(), place)

    def _key(self, key: str, place: Place) -> str:
        if not _KEY.fullmatch(key):
            self._problem(place, "a routing key is 32 letters and digits")
        return key

    def _check_names(self, model: _File, targets: list[Target]) -> None:
        known: dict[str, str] = {}
        for target in targets:
            for name in (target.name, *target.aliases):
                if known.setdefault(name.casefold(), target.name) != target.name:
                    self._problem(("targets", target.name), f"{name} is a name of {known[name.casefold()]}, too")
        for place, name in self._uses(model):
            if name.casefold() not in known and not (name == NOBODY and place[-1] == "target"):
                self._problem(place, f"there is no target {name}")

    def _uses(self, model: _File) -> Iterator[tuple[Place, str]]:
        yield ("default_target",), model.default_target
        for number, route in enumerate(model.routes):
            if route.target is not None:
                yield ("routes", number, "target"), route.target
            for at, step in enumerate(route.escalation or ()):
                if step.to:
                    yield ("routes", number, "escalation", at, "to"), step.to

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
        while place and place not in self._lines:
            place = place[:-1]
        self._problems.append((self._lines.get(place, 1), message))

    def _raise_problems(self) -> None:
        if self._problems:
            raise RoutingFileError([f"{self._path}:{line}: {message}" for line, message in sorted(self._problems)])


def _message(error: Any) -> str:
    name = str(error["loc"][-1])
    if error["type"] == "extra_forbidden":
        return f"{name} is not supported by this version" if name in _LATER else f"there is no option {name}"
    if error["type"] == "missing":
        return f"{name} is missing"
    said: str = error["msg"].removeprefix("Value error, ")
    return said if name.isdecimal() else f"{name}: {said}"
