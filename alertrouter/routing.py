"""Routing: which target an alert pages: PURE. Matchers are Alertmanager's, https://prometheus.io/docs/alerting/latest/configuration/."""

import hashlib
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from alertrouter.escalation import Step

DRILL = "alertrouter_drill"
"""The label of a fire drill's alert: the target that is to be paged, empty for the default."""
Operator = Literal["=", "!=", "=~", "!~"]
_MATCHER = re.compile(
    r"""\s*(?P<name>"(?:[^"\\]|\\.)+"|[^\s"'`=!~{},\\]+)\s*(?P<operator>=~|!~|!=|=)\s*(?P<value>"(?:[^"\\]|\\.)*"|[^\s"{},]*)\s*""",
    re.DOTALL,
)
_GO_ESCAPE = r"\\([abfnrtv\\\"]|x[0-7][0-9A-Fa-f]|u(?![dD][89A-Fa-f])[0-9A-Fa-f]{4}|U00(?:0[1-9A-Fa-f]|10)[0-9A-Fa-f]{4})"
_GO_STRING = re.compile(rf'"(?:[^"\\\n]|{_GO_ESCAPE})*"')
_GO_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; a label that is missing is equal to the empty string. Patterns match whole values.

    Patterns are Python's, not RE2's: `\\pN`, `\\z` and `[[:alpha:]]` are refused, look-around is read, and `\\d`, `\\s`, `\\w`
    and `\\b` know all of Unicode, not ASCII alone.
    """

    name: str
    operator: Operator
    value: str
    pattern: re.Pattern[str] | None = None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels meet the condition."""
        value = labels.get(self.name, "")
        hit = value == self.value if self.pattern is None else self.pattern.fullmatch(value) is not None
        return hit is not self.operator.startswith("!")


def parse_matcher(text: str) -> Matcher:
    """Read `name op "value"`; quotes may be left out, and in quotes a name may be any text.

    Raises ValueError with one clear line.
    """
    match = _MATCHER.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r} is not a matcher such as severity="info" or team=~"db|storage"')
    name, value = _unquote(match["name"]), _unquote(match["value"])
    operator: Operator = match["operator"]  # type: ignore[assignment]
    if not operator.endswith("~"):
        return Matcher(name, operator, value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # Python reads [[:alpha:]] as other characters than RE2 does
            return Matcher(name, operator, value, re.compile(value, re.DOTALL))
    except (re.error, RecursionError, OverflowError, FutureWarning) as error:
        raise ValueError(f"{text!r}: the pattern cannot be read: {error}") from None


def _unquote(text: str) -> str:
    """What a token says. Escapes are Go's; if one of them is not, as in `"a\\.b"`, only `\\n`, `\\"` and `\\\\` are read."""
    if not text.startswith('"'):
        return text
    if _GO_STRING.fullmatch(text):
        return re.sub(_GO_ESCAPE, lambda escape: _GO_ESCAPES.get(escape[1]) or chr(int(escape[1][1:], 16)), text[1:-1])
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), text[1:-1], flags=re.DOTALL)


@dataclass(frozen=True, slots=True)
class Target:
    """A PagerDuty integration. Keys are never shown."""

    name: str
    routing_key: str | None = field(default=None, repr=False)
    aliases: tuple[str, ...] = ()
    previous_routing_keys: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """What the alerts get that its matchers match. `target` may be `none`; what is None is left to the defaults.

    With `heartbeat` they open no incident: their absence for so long does. `fallback` says whether a page that does not get
    through goes other ways, too. `line` is that of the routing file.
    """

    matchers: tuple[Matcher, ...]
    target: str
    per_alert: bool = False
    repage_on_new_alert: bool = True
    resolve_hold: timedelta | None = None
    severity: str | None = None
    escalation: tuple[Step, ...] | None = None
    line: int = 0
    heartbeat: timedelta | None = None
    fallback: bool = True


def hides(first: Route, second: Route) -> bool:
    """Whether a route that stands before another one surely matches all that the other one does."""
    return all(any(_follows(wanted, given) for given in second.matchers) for wanted in first.matchers)


def _follows(wanted: Matcher, given: Matcher) -> bool:
    """Whether a label that meets one condition meets another one, too."""
    if wanted.name != given.name:
        return False
    if (wanted.operator, wanted.value) == (given.operator, given.value):
        return True
    return given.operator == "=" and wanted.matches({given.name: given.value})


def key_fingerprint(routing_key: str) -> str:
    """What the database holds of a routing key: 16 hex digits of its SHA-256."""
    return hashlib.sha256(routing_key.encode()).hexdigest()[:16]


class Routing:
    """Targets and routes of one routing file; `lint_ignored` are the codes of the runbooks' lint that it switches off.

    `external_labels` are those that Prometheus adds to all that it sends, which no rule tells.
    `alertmanagers` has, for each source, the addresses of the Alertmanagers that send as it. `files` are what it was read from.
    """

    def __init__(
        self,
        targets: Iterable[Target],
        routes: Iterable[Route],
        default_target: str,
        lint_ignored: Iterable[str] = (),
        external_labels: Iterable[str] = (),
        *,
        alertmanagers: Mapping[str, tuple[str, ...]] | None = None,
        files: Iterable[Path] = (),
    ) -> None:
        self.targets = {target.name: target for target in targets}
        self.routes = tuple(routes)
        self.heartbeats = tuple(route for route in self.routes if route.heartbeat)
        self.default_target = default_target
        self.lint_ignored = frozenset(lint_ignored)
        self.external_labels = frozenset(external_labels)
        self.alertmanagers = dict(alertmanagers or {})
        self.files = tuple(files)
        self._default_route = Route((), default_target)
        self._names = {alias.casefold(): one.name for one in self.targets.values() for alias in (*one.aliases, one.name)}
        self._fingerprints = {
            one.name: key_fingerprint(one.routing_key) for one in self.targets.values() if one.routing_key is not None
        }
        keys = (key for one in self.targets.values() for key in (one.routing_key, *one.previous_routing_keys) if key)
        self._keys = {key_fingerprint(key): key for key in keys}

    def route(self, labels: Mapping[str, str]) -> Route:
        """The first route whose matchers all match; without one, everything goes to the default target.

        A fire drill names its target itself, and is resolved without being held back.
        """
        if DRILL in labels:
            target = self.target_named(labels[DRILL]) or self.default_target
            return Route((), target, resolve_hold=timedelta())
        for route in self.routes:
            if all(matcher.matches(labels) for matcher in route.matchers):
                return route
        return self._default_route

    def target_named(self, name: str) -> str | None:
        """The target of that name or alias, regardless of case."""
        return self._names.get(name.strip().casefold())

    def fingerprints(self) -> Mapping[str, str]:
        """The fingerprint of the present routing key of each target that has one."""
        return self._fingerprints

    def known_fingerprints(self) -> frozenset[str]:
        """The fingerprints of all routing keys, previous ones included."""
        return frozenset(self._keys)

    def routing_key(self, fingerprint: str) -> str | None:
        """The routing key of that fingerprint, present or previous."""
        return self._keys.get(fingerprint)
