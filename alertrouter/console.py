"""What the commands share: settings, the routing file, and ending with a clear line."""

from typing import NoReturn

import typer

from alertrouter.routing import Routing
from alertrouter.routing_file import RoutingFileError, read_routing
from alertrouter.settings import Settings, SettingsError, load_settings


def fail(*lines: str) -> NoReturn:
    """Say what is wrong, a line each, and end with 1."""
    for line in lines:
        typer.echo(f"alertrouter: {line}", err=True)
    raise typer.Exit(1)


def settings_or_fail() -> Settings:
    """The settings of this process's environment."""
    try:
        return load_settings()
    except SettingsError as problem:
        fail(*problem.lines)


def routing_or_fail(settings: Settings, *, with_keys: bool = True) -> Routing:
    """The routing file; without keys it can be read where the secrets are not, such as in CI."""
    try:
        return read_routing(settings.config, settings, with_keys=with_keys)
    except RoutingFileError as problem:
        fail(*problem.problems)
