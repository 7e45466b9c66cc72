"""The routing file: YAML to `Routing`, with every problem as `file:line: message`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml
from pydantic import ValidationError

from alertrouter.escalation import Step, in_order
from alertrouter.incidents import NOBODY
from alertrouter.routing import Matcher, Route, Routing, Target, hides, parse_matcher
from alertrouter.routing_model import DEFAULT_TARGET, File, Known, RouteModel
from alertrouter.settings import Settings

_DEEPEST = 20
_MOST_PLACES = 200_000  # anchors can make a small file endless
Place = tuple[str | int, ...]


class RoutingFileError(Exception):
    """The routing file is wrong: `problems` holds one `file:line: message` for each fault, and never a key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


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
        known = Known(self._names(raw.get("targets")), env, with_keys)
        self._find_hidden(raw.get("routes"))
        try:
            model = File.model_validate(raw, context=known)
        except ValidationError as error:
            for one in error.errors(include_url=False, include_input=False):
                self._problem(one["loc"], _message(one))
        else:
            if not self._problems:
                return self._routing(model, [self._path, *_key_files(raw)])
        raise self._error()

    def _yaml(self) -> Any:
        try:
            node = yaml.compose(self._path.read_text(encoding="utf-8"), yaml.SafeLoader)
            if node is None:
                return None
            self._note(node, ())
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
        else:
            try:
                yaml.SafeLoader("").construct_document(node)
            except ValueError as error:  # such as a date that there is not
                self._stop(node.start_mark.line + 1, f"{str(node.value)[:40]!r} cannot be read: {error}")

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

    def _routing(self, model: File, files: Sequence[Path]) -> Routing:
        targets = [
            Target(name, one.keys[0] or None, tuple(one.aliases), tuple(one.previous_routing_keys))
            for name, one in model.targets.items()
        ]
        routes = (self._route(number, one, model.default_target) for number, one in enumerate(model.routes))
        alertmanagers = {source: tuple(urls) for source, urls in model.alertmanagers.items()}
        lint = model.lint
        return Routing(targets, routes, model.default_target, lint.ignore, lint.labels, alertmanagers=alertmanagers, files=files)

    def _find_hidden(self, routes: Any) -> None:
        """Of routes that nobody has checked yet, those whose matchers can be read."""
        seen: list[tuple[int, Sequence[Matcher]]] = []
        for number, route in enumerate(routes if isinstance(routes, list) else ()):
            matchers = _matchers(route)
            if matchers is None:
                continue
            first = next((line for line, earlier in seen if hides(earlier, matchers)), None)
            if first is not None:
                self._problem(("routes", number), f"never reached: the route at line {first} matches all that this one does")
            seen.append((self._lines.get(("routes", number), 0), matchers))

    def _route(self, number: int, given: RouteModel, default_target: str) -> Route:
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
            given.heartbeat,
            given.fallback,
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


def _key_files(raw: dict[str, Any]) -> list[Path]:
    """The files that hold routing keys, of a file that has been checked."""
    return [Path(given["routing_key_file"]) for given in raw["targets"].values() if given.get("routing_key_file")]


def _matchers(route: Any) -> list[Matcher] | None:
    given = route.get("match") if isinstance(route, dict) else None
    if not (isinstance(given, list) and all(isinstance(one, str) for one in given)):
        return None
    try:
        return [parse_matcher(one) for one in given]
    except ValueError:
        return None


def _message(error: Any) -> str:
    name, said = str(error["loc"][-1]), str(error["msg"]).removeprefix("Value error, ")
    if name == "[key]":
        what = "a source's" if error["loc"][0] == "alertmanagers" else "a target's"
        return f"{what} name is 1 to 64 letters, digits, dots, dashes and underscores"
    place = "" if name.isdecimal() else f"{name}: "
    own = {
        "extra_forbidden": f"there is no option {name}",
        "missing": f"{name} is missing",
        "too_short": f"{name} is empty",
        "model_type": "it is not a mapping",
        "list_type": f"{name} wants a list: put brackets around it, [ … ]",
        "value_error": said,
        "string_type": f"{place}what is no text to YAML, such as 5 or no, wants quotes",
    }
    return own.get(error["type"], f"{place}{said}")
