"""What routing and the runbooks say of an alert: PURE."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from alertrouter.alertmanager import Alert, Notification
from alertrouter.escalation import Policy, Step, in_order
from alertrouter.incidents import NOBODY, Key, Plan
from alertrouter.pagerduty.events import severity_of, title_of
from alertrouter.routing import Route, Routing
from alertrouter.runbooks.match import Index
from alertrouter.runbooks.section import Section


@dataclass(frozen=True)
class Playbook:
    """The routing file, the runbooks and the defaults, as they are at one moment."""

    routing: Routing
    index: Index
    default_steps: tuple[Step, ...]
    resolve_hold: timedelta
    public_url: str

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

    def plan(self, alert: Alert) -> Plan:
        """How bad an alert is, how it is told, and what is to be done: the section first, then the route, then the default."""
        route = self.routing.route(alert.labels)
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
        own = self._target(route)
        if section is not None and section.policy is not None and own != NOBODY:
            steps, source = section.policy, f"{section.path}:{section.policy_line}"
        elif route.escalation is not None:
            steps, source = route.escalation, "route"
        else:
            steps, source = (() if own == NOBODY else self.default_steps), "default"
        return Policy(in_order([Step(step.after, self._resolve(step.to, own), step.unless) for step in steps]), source)

    def _target(self, route: Route) -> str:
        return route.target or self.routing.default_target

    def _resolve(self, name: str, own: str) -> str:
        """A step that names nobody we know pages the incident's own target: better than nobody."""
        known = self.routing.target_named(name) if name else None
        return known or (own if own != NOBODY else self.routing.default_target)


def runbook_problems(sections: Iterable[Section], routing: Routing) -> list[str]:
    """Escalations that cannot be read, and targets that nobody knows, as `file:line: message`."""
    found = set()
    for section in sections:
        if section.policy_line is not None and section.policy is None:
            found.add((section.path, section.policy_line, "the escalation cannot be read; the default applies"))
        for step in section.policy or ():
            if step.to and routing.target_named(step.to) is None:
                found.add((section.path, section.policy_line or section.line, f"there is no target {step.to}"))
    return [f"{path}:{line}: {message}" for path, line, message in sorted(found)]
