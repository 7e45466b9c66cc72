"""`alertrouter config schema` and `alertrouter routes test`: the routing file explained."""

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from alertrouter.alertmanager import Alert
from alertrouter.clock import utc_now
from alertrouter.commands.console import AsJson, fail, routing_or_fail, settings_or_fail
from alertrouter.durations import format_duration
from alertrouter.escalation import Step
from alertrouter.planning import Playbook
from alertrouter.routing import DRILL, Matcher, Route
from alertrouter.routing_model import json_schema
from alertrouter.runbooks.library import Library

config = typer.Typer(no_args_is_help=True, help="The routing file.")
routes = typer.Typer(no_args_is_help=True, help="Where alerts go.")
_NOT = "not"


@config.command()
def schema() -> None:
    """Print the JSON Schema of the routing file, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@routes.command("test")
def explain(labels: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...")], as_json: AsJson = False) -> None:
    """Say which route, target, runbook section and policy an alert with these labels gets, and why."""
    pairs = [one.partition("=") for one in labels]
    if wrong := [name + equals for name, equals, _ in pairs if not (name and equals)]:
        fail(f"{wrong[0]}: a label is name=value")
    told = list(_explain({name: value for name, _, value in pairs}))
    if as_json:
        passed_over = [text for what, text in told if what == _NOT]
        typer.echo(json.dumps({what: text for what, text in told if what != _NOT} | {"passed_over": passed_over}, indent=2))
        return
    for what, text in told:
        typer.echo(f"{what:<11}{text}")


def _explain(labels: dict[str, str]) -> Iterator[tuple[str, str]]:
    settings = settings_or_fail()
    routing = routing_or_fail(settings, with_keys=False)
    library = Library(settings.runbooks_dir)
    library.load()
    default = (Step(settings.escalate_after, settings.escalate_to, "acknowledged"),)
    playbook = Playbook(routing, library.shelf.index, default, settings.resolve_hold, settings.base_url)
    chosen = routing.route(labels)
    target = chosen.target or routing.default_target
    if DRILL in labels:
        yield "route", "none is asked: a fire drill names its target itself"
    else:
        yield from ((_NOT, _passed_over(settings.config, route, labels)) for route in _tried(routing.routes, chosen))
        place = f"{settings.config}:{chosen.line}" if chosen.line else "no route matches"
        yield "route", place + ("" if chosen.line else ": everything else goes to the default target")
    if chosen.heartbeat:
        yield "heartbeat", f"{target} is paged when it does not come for {format_duration(chosen.heartbeat)}"
        return
    hold = settings.resolve_hold if chosen.resolve_hold is None else chosen.resolve_hold
    yield "target", f"{target}, an incident for each {'alert' if chosen.per_alert else 'group'}"
    plan = playbook.plan(Alert(True, labels, {}, utc_now(), None, "", ""))
    match = library.shelf.index.find(labels, None, settings.base_url)
    yield "severity", plan.severity
    yield "runbook", f"{match.section.path}:{match.section.line} {match.why}" if match else "none"
    yield "policy", f"{'; '.join(map(_step, plan.policy.steps)) or 'nobody else is paged'} (from {plan.policy.source})"
    yield "resolve", f"held back for {format_duration(hold)}"


def _tried(routes_: tuple[Route, ...], chosen: Route) -> Iterator[Route]:
    for route in routes_:
        if route is chosen:
            return
        yield route


def _passed_over(config_: object, route: Route, labels: dict[str, str]) -> str:
    failed = next(matcher for matcher in route.matchers if not matcher.matches(labels))
    return f"{config_}:{route.line}: {_written(failed)} does not match {labels.get(failed.name, '')!r}"


def _written(matcher: Matcher) -> str:
    return f"{matcher.name}{matcher.operator}{json.dumps(matcher.value, ensure_ascii=False)}"


def _step(step: Step) -> str:
    when = f"in {format_duration(step.after)}" if step.after else "at once"
    return f"{step.to} {when}" + (f" unless {step.unless}" if step.unless else "")
