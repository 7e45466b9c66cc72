"""Routing: which target an alert pages: PURE. Matchers are Alertmanager's, https://prometheus.io/docs/alerting/latest/configuration/."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, cast

import re2

from alertrouter.escalation import Step
from alertrouter.incidents import NOBODY

DRILL = "alertrouter_drill"
"""The label of a fire drill's alert: the target that is to be paged, empty for the default."""
DRILL_SOURCE = "drill"
HEARTBEAT_LOST = "HeartbeatLost"
"""The name of the alert that is made when a heartbeat is lost."""
Operator = Literal["=", "!=", "=~", "!~"]
_CLASSIC = re.compile(r"\s*([A-Za-z_:][A-Za-z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.DOTALL)
_UTF8 = re.compile(
    r"""\s*("(?:[^"\\]|\\.)+"|[^\s"'`=!~{},\\]+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^\s"'`=!~{},\\]*)\s*""", re.DOTALL
)
_GO_ESCAPE = r"\\([abfnrtv\\\"]|x[0-7][0-9A-Fa-f]|u(?![dD][89A-Fa-f])[0-9A-Fa-f]{4}|U00(?:0[1-9A-Fa-f]|10)[0-9A-Fa-f]{4})"
_GO_STRING = re.compile(rf'"(?:[^"\\\n]|{_GO_ESCAPE})*"')
_GO_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; a label that is missing is equal to the empty string. Patterns match whole values.

    Patterns are RE2's, as Alertmanager's: what an alert holds cannot make one take long.
    """

    name: str
    operator: Operator
    value: str
    pattern: Any = None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels meet the condition."""
        value = labels.get(self.name, "")
        hit = value == self.value if self.pattern is None else self.pattern.fullmatch(value) is not None
        return hit is not self.operator.startswith("!")


def parse_matcher(text: str) -> Matcher:
    """Read `name op "value"`; quotes may be left out, and in quotes a name may be any text.

    As Alertmanager's default mode does: where both of its grammars read a matcher, the classic one counts. Raises ValueError
    with one clear line.
    """
    parts = _classic(text) or _utf8(text)
    if parts is None:
        raise ValueError(f'{text!r} is not a matcher such as severity="info" or team=~"db|storage"')
    name, operator, value = parts
    if not operator.endswith("~"):
        return Matcher(name, operator, value)
    try:
        return Matcher(name, operator, value, re2.compile(value, _OPTIONS))
    except (re2.error, UnicodeError) as error:
        why = error.args[0] if error.args else error
        raise ValueError(
            f"{text!r}: the pattern cannot be read: {why.decode() if isinstance(why, bytes) else 'it is no text'}"
        ) from None


Parts = tuple[str, Operator, str]


def _classic(text: str) -> Parts | None:
    r"""What the older grammar reads: a name of letters and digits, and a value with the escapes `\\n`, `\\"` and `\\\\`.

    A comma or a brace without quotes would end it, as one line may hold several matchers there.
    """
    match = _CLASSIC.fullmatch(text)
    if match is None:
        return None
    name, operator, value = match[1], cast("Operator", match[2]), match[3]
    if value.startswith('"'):
        if len(value) < 2 or not re.fullmatch(r'(?:[^"\\]|\\.)*', value[1:-1], re.DOTALL) or value[-1] != '"':
            return None
        value = value[1:-1]
    elif re.search(r'(?<!\\)"|[{},]', value):
        return None
    return name, operator, re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), value, flags=re.DOTALL)


def _utf8(text: str) -> Parts | None:
    """What the newer grammar reads: quotes around a name, and Go's escapes in quotes."""
    match = _UTF8.fullmatch(text)
    if match is None:
        return None
    name, operator, value = match[1], cast("Operator", match[2]), match[3]
    if not all(_GO_STRING.fullmatch(one) for one in (name, value) if one.startswith('"')):
        return None
    return _unquote(name), operator, _unquote(value)


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(_GO_ESCAPE, lambda escape: _GO_ESCAPES.get(escape[1]) or chr(int(escape[1][1:], 16)), text[1:-1])


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

    With `heartbeat` they open no incident: their absence for so long does. `fallback` says which pages go other ways, too:
    None, those that do not get through; True, also those that PagerDuty never confirms; False, none. `line` is that of the
    routing file.
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
    fallback: bool | None = None


def hides(first: Iterable[Matcher], second: Sequence[Matcher]) -> bool:
    """Whether a route with the first matchers, standing before, surely matches all that one with the second does."""
    return all(any(_follows(wanted, given) for given in second) for wanted in first)


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
    `configured` are the fingerprints of all its routing keys, previous ones included.
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
        self.configured = frozenset(self._keys)

    def route(self, labels: Mapping[str, str]) -> Route:
        """The first route whose matchers all match; without one, everything goes to the default target.

        A fire drill names its target itself, and is resolved without being held back; one that does not exist pages nobody.
        """
        if DRILL in labels:
            target = self.target_named(labels[DRILL]) or NOBODY if labels[DRILL] else self.default_target
            return Route((), target, resolve_hold=timedelta())
        for route in self.routes:
            if all(matcher.matches(labels) for matcher in route.matchers):
                return route
        return self._default_route

    def fallback(self, labels: Mapping[str, str]) -> bool | None:
        """Which pages of an alert go other ways (see Route): of a lost heartbeat all, as no route is for what is not heard."""
        is_lost_heartbeat = labels.get("alertname") == HEARTBEAT_LOST and "heartbeat" in labels
        return True if is_lost_heartbeat else self.route(labels).fallback

    def target_named(self, name: str) -> str | None:
        """The target of that name or alias, regardless of case."""
        return self._names.get(name.strip().casefold())

    def fingerprints(self) -> Mapping[str, str]:
        """The fingerprint of the present routing key of each target that has one."""
        return self._fingerprints

    def remember(self, before: "Routing") -> None:
        """Go on using the keys that the routing of before had for what they have triggered, as long as this process lives."""
        self._keys = {one: key for one in before.known_fingerprints() if (key := before.routing_key(one))} | self._keys

    def known_fingerprints(self) -> frozenset[str]:
        """The fingerprints of all routing keys that can be used: those that are configured, and those that were."""
        return frozenset(self._keys)

    def routing_key(self, fingerprint: str) -> str | None:
        """The routing key of that fingerprint, of those that can be used."""
        return self._keys.get(fingerprint)
