"""What routing and the runbooks say of an alert: PURE."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial

from alertrouter.ack_links import AckLinks
from alertrouter.alertmanager import Alert, Notification
from alertrouter.escalation import Policy, Step, in_order
from alertrouter.incidents import NOBODY, Key, Plan
from alertrouter.pagerduty.events import severity_of, title_of
from alertrouter.routing import Route, Routing
from alertrouter.runbooks.match import Index
from alertrouter.runbooks.section import Section

_AND = re.compile(r"\s*,\s*(?:and |e |y )?|\s+(?:and|e|y)\s+", re.IGNORECASE)

_ON_CALL = re.compile(r"[\s-]+(?:on[\s-]?call|de plantão|de guardia)$", re.IGNORECASE)


@dataclass(frozen=True)
class Playbook:
    """The routing file, the runbooks and the defaults, as they are at one moment.

    `asks_first`: PagerDuty is asked before a step is taken.
    """

    routing: Routing
    index: Index
    default_steps: tuple[Step, ...]
    resolve_hold: timedelta
    public_url: str
    ack_links: AckLinks | None = None
    asks_first: bool = False

    def ack_url(self, incident_id: str, now: datetime) -> str:
        """The link that acknowledges an incident; empty where there are none."""
        return self.ack_links.url(incident_id, now) if self.ack_links else ""

    @cached_property
    def sections(self) -> dict[str, Section]:
        """Every section, by revision."""
        return {section.revision: section for section in self.index.sections}

    def key(self, notification: Notification, alert: Alert) -> Key:
        """The incident that an alert would belong to, were it new."""
        route = self.routing.route(alert.labels)
        hold = self.resolve_hold if route.resolve_hold is None else route.resolve_hold
        subject = alert.fingerprint if route.per_alert else notification.group_key
        target = self._target(route)
        return Key(notification.source, subject, route.per_alert, target, route.repage_on_new_alert, hold)

    def lost_key(self, route: Route, source: str, heartbeat: str) -> Key:
        """The incident of a lost heartbeat."""
        return Key(source, f"heartbeat/{heartbeat}", False, self._target(route), route.repage_on_new_alert, timedelta())

    def plan(self, alert: Alert) -> Plan:
        """How bad an alert is, how it is told, and what is to be done: the section first, then the route, then the default."""
        return self._plan(self.routing.route(alert.labels), alert)

    def planner(self, route: Route) -> Callable[[Alert], Plan]:
        """The same for alerts of a given route."""
        return partial(self._plan, route)

    def _plan(self, route: Route, alert: Alert) -> Plan:
        match = self.index.find(alert.labels, alert.annotations, self.public_url)
        section = match.section if match else None
        severity, _ = severity_of(route.severity or alert.labels.get("severity"))
        return Plan(
            severity,
            title_of(alert.labels, alert.annotations),
            section.revision if section else None,
            self._policy(route, section),
        )

    def _policy(self, route: Route, section: Section | None) -> Policy:
        """Made once for each target, escalation and section: they are the same for most alerts of a storm."""
        own = self._target(route)
        key = (own, route.escalation, id(section) if section else None)  # the index keeps its sections, so that no id comes twice
        if key not in self._policies:
            self._policies[key] = self._policy_of(own, route.escalation, section)
        return self._policies[key]

    @cached_property
    def _policies(self) -> dict[tuple[str, tuple[Step, ...] | None, int | None], Policy]:
        return {}

    def _policy_of(self, own: str, escalation: tuple[Step, ...] | None, section: Section | None) -> Policy:
        if section is not None and section.policy is not None and own != NOBODY:
            steps, source = section.policy, f"{section.path}:{section.policy_line}"
        elif escalation is not None:
            steps, source = escalation, "route"
        else:
            steps, source = (() if own == NOBODY else self.default_steps), "default"
        return Policy(in_order([one for step in steps for one in self._resolved(step, own)]), source)

    def _target(self, route: Route) -> str:
        return route.target or self.routing.default_target

    def _resolved(self, step: Step, own: str) -> Iterator[Step]:
        """The step for each target that it names; one that nobody knows is the incident's own: better than nobody."""
        instead = own if own != NOBODY else self.routing.default_target
        targets = [known or instead for known in named_targets(self.routing, step.to).values()] if step.to else [instead]
        yield from (Step(step.after, target, step.unless) for target in dict.fromkeys(targets))


def named_targets(routing: Routing, phrase: str) -> dict[str, str | None]:
    """The target of each name in a step's `to`, None for one that nobody knows: a single name, or several joined by "and"."""
    whole = routing.target_named(phrase)
    names = (phrase,) if whole else _AND.split(phrase)
    return {name: routing.target_named(name) or routing.target_named(_ON_CALL.sub("", name)) for name in names}
