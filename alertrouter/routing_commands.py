"""`alertrouter config schema` and `alertrouter routes test`: the routing file explained."""

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from alertrouter.alertmanager import Alert
from alertrouter.clock import utc_now
from alertrouter.console import fail, routing_or_fail, settings_or_fail
from alertrouter.durations import format_duration
from alertrouter.escalation import Step
from alertrouter.planning import Playbook
from alertrouter.routing import DRILL, Matcher, Route
from alertrouter.routing_model import json_schema
from alertrouter.runbooks.library import Library

config = typer.Typer(no_args_is_help=True, help="The routing file.")
routes = typer.Typer(no_args_is_help=True, help="Where alerts go.")


@config.command()
def schema() -> None:
    """Print the JSON Schema of the routing file, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@routes.command("test")
def test_(labels: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...")]) -> None:
    """Say which route, target, runbook section and policy an alert with these labels gets, and why."""
    pairs = [one.partition("=") for one in labels]
    if wrong := [name + equals for name, equals, _ in pairs if not (name and equals)]:
        fail(f"{wrong[0]}: a label is name=value")
    for line in _explain({name: value for name, _, value in pairs}):
        typer.echo(line)


def _explain(labels: dict[str, str]) -> Iterator[str]:
    settings = settings_or_fail()
    routing = routing_or_fail(settings, with_keys=False)
    library = Library(settings.runbooks_dir)
    library.load()
    default = (Step(settings.escalate_after, settings.escalate_to, "acknowledged"),)
    playbook = Playbook(routing, library.shelf.index, default, settings.resolve_hold, settings.base_url)
    chosen = routing.route(labels)
    target = chosen.target or routing.default_target
    if DRILL in labels:
        yield "route      none is asked: a fire drill names its target itself"
    else:
        yield from (_passed_over(settings.config, route, labels) for route in _tried(routing.routes, chosen))
        place = f"{settings.config}:{chosen.line}" if chosen.line else "no route matches"
        yield f"route      {place}" + ("" if chosen.line else ": everything else goes to the default target")
    if chosen.heartbeat:
        yield f"heartbeat  {target} is paged when it does not come for {format_duration(chosen.heartbeat)}"
        return
    hold = settings.resolve_hold if chosen.resolve_hold is None else chosen.resolve_hold
    yield f"target     {target}, an incident for each {'alert' if chosen.per_alert else 'group'}"
    plan = playbook.plan(Alert(True, labels, {}, utc_now(), None, "", ""))
    match = library.shelf.index.find(labels, None, settings.base_url)
    yield f"severity   {plan.severity}"
    yield f"runbook    {match.section.path}:{match.section.line} {match.why}" if match else "runbook    none"
    yield f"policy     {'; '.join(map(_step, plan.policy.steps)) or 'nobody else is paged'} (from {plan.policy.source})"
    yield f"resolve    held back for {format_duration(hold)}"


def _tried(routes_: tuple[Route, ...], chosen: Route) -> Iterator[Route]:
    for route in routes_:
        if route is chosen:
            return
        yield route


def _passed_over(config_: object, route: Route, labels: dict[str, str]) -> str:
    failed = next(matcher for matcher in route.matchers if not matcher.matches(labels))
    return f"not        {config_}:{route.line}: {_written(failed)} does not match {labels.get(failed.name, '')!r}"


def _written(matcher: Matcher) -> str:
    return f"{matcher.name}{matcher.operator}{json.dumps(matcher.value, ensure_ascii=False)}"


def _step(step: Step) -> str:
    when = f"in {format_duration(step.after)}" if step.after else "at once"
    return f"{step.to} {when}" + (f" unless {step.unless}" if step.unless else "")
