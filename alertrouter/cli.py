"""The commands. Each is imported when it is called: `alertrouter incidents` must not wait for a web server and a database."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException as BadUsage

_MISUSED = 2
_COMMANDS = {
    "serve": "serving:serve",
    "demo": "serving:demo",
    "check": "checking:check",
    "runbooks": "runbooks:app",
    "config": "routes:config",
    "routes": "routes:routes",
    "incidents": "incidents:app",
    "deliveries": "deliveries:app",
    "change": "changes:change",
    "drill": "drill:drill",
    "db": "database:app",
    "sandbox": "serving:sandbox",
}
"""The commands in the order of the help, and where each is under `alertrouter.commands`: a function, or several in a Typer."""


class _Lazily(TyperGroup):
    """The commands above, imported when they are asked for."""

    def list_commands(self, _context: Any) -> list[str]:
        """Their names."""
        return list(_COMMANDS)

    def get_command(self, _context: Any, name: str) -> Any:
        """The command of this name; None if there is none."""
        if name not in _COMMANDS:
            self.commands = dict.fromkeys(_COMMANDS)  # type: ignore[assignment]  # here it looks for what was meant
        elif name not in self.commands:
            self.commands[name] = _load(*_COMMANDS[name].split(":"))
            self.commands[name].name = name
        return self.commands.get(name)

    def make_context(self, *args: Any, **given: Any) -> Any:
        """The command line as far as it concerns this group."""
        with _in_one_line():
            return super().make_context(*args, **given)

    def invoke(self, context: Any) -> Any:
        """The rest of it, and the work."""
        with _in_one_line():
            return super().invoke(context)


@contextmanager
def _in_one_line() -> Iterator[None]:
    """What cannot be read in a command line is said as every other error is: in a line, and where the help is."""
    try:
        yield
    except BadUsage as problem:
        what = problem.format_message().replace("Value error, ", "").rstrip(".")
        if problem.exit_code != _MISUSED or not what:  # nothing was given, and the help has been shown
            raise
        command = getattr(getattr(problem, "ctx", None), "command_path", "alertrouter")
        typer.echo(f"alertrouter: {what} (see {command} --help)", err=True)
        raise typer.Exit(_MISUSED) from None


def _load(module: str, name: str) -> Any:
    _import_without_rich("httpx", "structlog")
    found = getattr(import_module(f"alertrouter.commands.{module}"), name)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False)
    alone.command()(found)
    return typer.main.get_command(alone)


def _import_without_rich(*libraries: str) -> None:
    """They import rich and pygments where these are installed, for a command line of their own and for tracebacks in colours that
    nobody sees here: 5 MB of every service, and a tenth of a second of every start.
    """
    unwanted = [name for name in ("rich", "pygments") if name not in sys.modules]
    sys.modules |= dict.fromkeys(unwanted)  # type: ignore[arg-type]  # to Python they are not installed now
    try:
        for library in libraries:
            import_module(library)
    finally:
        for name in unwanted:
            del sys.modules[name]


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"alertrouter {version('alertrouter')}")
        raise typer.Exit


app = typer.Typer(cls=_Lazily, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Stands between Alertmanager and PagerDuty."""


if __name__ == "__main__":
    sys.exit(app())
