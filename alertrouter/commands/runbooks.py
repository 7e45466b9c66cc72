"""`alertrouter runbooks ...`: the lint, a section as the on-call gets it, and a skeleton."""

import difflib
import glob
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from alertrouter.commands.console import fail, routing_or_fail, settings_or_fail
from alertrouter.durations import format_duration
from alertrouter.planning import named_targets
from alertrouter.routing import Routing
from alertrouter.runbooks.commands import Values
from alertrouter.runbooks.library import Library
from alertrouter.runbooks.lint import Finding, World, lint
from alertrouter.runbooks.render import missing, to_markdown
from alertrouter.runbooks.rules import Rule, RulesError, read_rules
from alertrouter.runbooks.section import Section
from alertrouter.runbooks.skeleton import skeleton
from alertrouter.settings import Settings

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a terminal would act on them
app = typer.Typer(no_args_is_help=True, help="The runbooks.")


class Format(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


Rules = Annotated[list[str] | None, typer.Option("--rules", help="Files of alerting rules, or globs (** too); repeatable.")]


@app.command()
def check(
    more: Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="More files of rules.")] = None,
    rules: Rules = None,
    format_: Annotated[Format, typer.Option("--format", help="How findings are written.")] = Format.TEXT,
) -> None:
    """Check the runbooks, and with --rules that rules and runbooks go together; 1 if there is an error."""
    settings = settings_or_fail()
    routing = routing_or_fail(settings, with_keys=False)
    library = load(settings)
    given = [*(rules or ()), *(more or ())]
    read, found = _read_rules(given)
    found += findings(library, settings, routing, read if given else None)
    _write(sorted(found), format_)
    errors = sum(one.level == "error" for one in found)
    counts = _counted(len(library.shelf.documents), "runbook") + (f", {_counted(len(read), 'rule')}" if given else "")
    told = f"{_counted(errors, 'error')}, {_counted(len(found) - errors, 'warning')}" if found else "all well"
    typer.echo(f"{told}: {counts}", err=True)
    raise typer.Exit(1 if errors else 0)


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


def load(settings: Settings) -> Library:
    """The runbooks of the settings' folders; on a terminal one sees which is being read."""
    library = Library(settings.runbooks_dir)
    with _progress() as told:
        library.load(told)
    return library


def findings(library: Library, settings: Settings, routing: Routing, rules: Sequence[Rule] | None) -> list[Finding]:
    """All that the lint says, with the files' paths as they are on disk."""
    shelf = library.shelf
    world = World(
        rules,
        exists=lambda path: any((folder / path).exists() for folder in library.folders),
        unknown_targets=lambda phrase: [name for name, known in named_targets(routing, phrase).items() if known is None],
        public_url=settings.base_url,
        ignored=routing.lint_ignored,
        external=routing.external_labels,
    )
    files = {path: str(file) for path, file in shelf.files.items()}
    broken = [Finding(one.file, one.line, "unreadable-file", one.why) for one in shelf.troubles]
    said = [replace(one, path=files.get(one.path, one.path)) for one in lint(shelf.documents, shelf.index, world)]
    return [one for one in (*broken, *said) if one.code not in routing.lint_ignored]


@contextmanager
def _progress() -> Iterator[Callable[[Path], None] | None]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with console.status("reading the runbooks") as status:
        yield lambda file: status.update(f"reading {file}")


def _read_rules(patterns: Sequence[str]) -> tuple[list[Rule], list[Finding]]:
    """The rules of all files, and what is wrong with the files."""
    rules: list[Rule] = []
    found: list[Finding] = []
    for pattern in patterns:
        paths = sorted(glob.glob(pattern, recursive=True)) or [pattern]  # noqa: PTH207 (absolute patterns, too)
        for path in paths:
            try:
                rules += read_rules(path, Path(path).read_text(encoding="utf-8"))
            except RulesError as problem:
                found.append(Finding(path, problem.line, "unreadable-rules", problem.why))
            except OSError as problem:
                found.append(Finding(path, 1, "unreadable-rules", f"it cannot be read: {problem.strerror}"))
            except UnicodeDecodeError:
                found.append(Finding(path, 1, "unreadable-rules", "not UTF-8"))
    return rules, found


def _write(found: Sequence[Finding], format_: Format) -> None:
    if format_ is Format.JSON:
        names = ("path", "line", "level", "code", "message")
        typer.echo(json.dumps([{name: getattr(one, name) for name in names} for one in found], indent=2, ensure_ascii=False))
        return
    for one in found:
        if format_ is Format.GITHUB:
            place = f"file={_escaped(one.path, ':,')},line={one.line},title={one.code}"
            typer.echo(f"::{one.level} {place}::{_escaped(one.message)}")
        else:
            typer.echo(f"{one.path}:{one.line}: {one.level}: {one.message} [{one.code}]")


def _escaped(text: str, more: str = "") -> str:
    """As GitHub's workflow commands want it."""
    return "".join(f"%{ord(char):02X}" if char in f"%\r\n{more}" else char for char in text)


@app.command()
def show(
    alertname: str,
    label: Annotated[
        list[str] | None, typer.Option("-l", "--label", help="A label of the alert, name=value; repeatable.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Markdown, not rendered.")] = False,
) -> None:
    """Show the section of an alert as the on-call gets it, commands filled in, and say why it is that one."""
    pairs = [one.partition("=") for one in label or ()]
    if wrong := [name + equals for name, equals, _ in pairs if not (name and equals)]:
        fail(f"-l {wrong[0]}: a label is name=value")
    labels = {name: value for name, _, value in pairs} | {"alertname": alertname}
    settings = settings_or_fail()
    index = load(settings).shelf.index
    match = index.find(labels, None, settings.base_url)
    if match is None:
        names = {section.alertname: None for section in index.sections}
        near = difflib.get_close_matches(alertname, names, 1)
        hint = f"; is it {near[0]}?" if near else f"; `alertrouter runbooks new {alertname}` writes a skeleton"
        fail(f"no section names {alertname}{hint}")
    section, values = match.section, Values(labels)
    markdown = _CONTROL.sub("\ufffd", f"{'#' * max(section.level, 1)} {section.title}\n\n{to_markdown(section.text, values)}")
    if raw:
        typer.echo(markdown)
        return
    console = Console()
    console.print(match.why, style="dim", markup=False)
    console.print(Markdown(markdown, hyperlinks=False))
    console.print(f"\n{_escalation(section)}", style="dim", markup=False)
    if by_hand := missing(section.text, values):
        console.print(f"To be filled in by hand: {', '.join(by_hand)}", style="bold", markup=False)


def _escalation(section: Section) -> str:
    if section.policy is None:
        where = f"cannot be read (line {section.unread_line})" if section.unread_line else "is not stated"
        return f"The escalation {where}: the route's or the default applies."
    steps = (
        f"{step.to or 'the same target'} {f'in {format_duration(step.after)}' if step.after else 'at once'}"
        + (f" unless {step.unless}" if step.unless else "")
        for step in section.policy
    )
    return f"Escalation: {'; '.join(steps) or 'nobody else'} ({section.path}:{section.policy_line})."


@app.command()
def new(
    alertname: str,
    rules: Rules = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print it; write no file.")] = False,
) -> None:
    """Write the skeleton of an alert's runbook into the runbook folder, from its rule if --rules holds it."""
    if "/" in alertname or alertname.startswith("."):
        fail(f"{alertname} is no name for a file")
    settings = settings_or_fail()
    routing = routing_or_fail(settings, with_keys=False)
    read, wrong = _read_rules(rules or ())
    if wrong:
        fail(*(f"{one.path}:{one.line}: {one.message}" for one in wrong))
    rule = next((one for one in read if one.name.casefold() == alertname.casefold()), None)
    if rules and rule is None:
        fail(f"no rule is named {alertname} in {', '.join(rules)}")
    to = settings.escalate_to or next(
        (name for name in routing.targets if name != routing.default_target), routing.default_target
    )
    escalation = f"If not resolved in {_minutes(settings)}, escalate to {to}"
    alertname = rule.name if rule else alertname
    text = skeleton(alertname, rule, escalation)
    if stdout:
        sys.stdout.write(text)
        return
    library = load(settings)
    if match := library.shelf.index.find({"alertname": alertname}):
        fail(f"{library.shelf.files[match.section.path]}:{match.section.line}: there is a section for {alertname} already")
    _write_file(settings.runbooks_dir[0] / f"{alertname}.md", text)


def _minutes(settings: Settings) -> str:
    return f"{max(int(settings.escalate_after.total_seconds()) // 60, 1)} min"


def _write_file(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as problem:
        fail(f"{file}: it cannot be written: {problem.strerror}")
    typer.echo(str(file))
