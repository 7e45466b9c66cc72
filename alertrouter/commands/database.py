"""`alertrouter db ...`: migrations and retention."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from alertrouter.commands.console import fail, settings_or_fail
from alertrouter.durations import format_duration, parse_duration

app = typer.Typer(no_args_is_help=True, help="The database.")


@app.command()
def upgrade() -> None:
    """Create the tables, or bring them up to date."""
    from alertrouter.store import migrations  # noqa: PLC0415 - slow to import
    from alertrouter.store.database import Database  # noqa: PLC0415

    with database_errors():
        database = Database(settings_or_fail().database_url)
        migrations.upgrade(database.engine)
        database.close()


@app.command()
def prune(
    older_than: Annotated[str, typer.Option(help="What was over before so long ago; default ALERTROUTER_RETENTION.")] = "",
) -> None:
    """Forget resolved incidents that are long over, and what else is older. A running service does it every hour by itself."""
    from rich.progress import Progress  # noqa: PLC0415

    from alertrouter.store import prune as store  # noqa: PLC0415
    from alertrouter.store.database import Database  # noqa: PLC0415

    settings = settings_or_fail()
    try:
        retention = parse_duration(older_than) if older_than else settings.retention
    except ValueError as problem:
        fail(f"--older-than: {problem}")
    if not retention:
        fail("ALERTROUTER_RETENTION: 0s keeps everything; say --older-than")
    total = 0
    with database_errors():
        database = Database(settings.database_url)
        wish = store.Wish(database.read_now() - retention)
        with database.transaction() as tx:
            [expected] = store.count(tx, [wish])
        with Progress(transient=True, disable=not sys.stdout.isatty()) as progress:
            task = progress.add_task("incidents", total=expected)
            while True:
                with database.transaction() as tx:
                    [(number, after)] = store.prune(tx, [wish])
                total += number
                progress.update(task, completed=total)
                if not after:
                    break
                wish = store.Wish(wish.before, after)
        with database.transaction() as tx:
            store.prune_others(tx, [wish])
        database.close()
    typer.echo(f"{total} incidents that were over for more than {format_duration(retention)} are forgotten")


@contextmanager
def database_errors() -> Iterator[None]:
    """A database that cannot be reached ends the command with one line."""
    from alertrouter.store.database import UnavailableError, is_unavailable  # noqa: PLC0415

    try:
        yield
    except Exception as problem:
        if not (isinstance(problem, UnavailableError) or is_unavailable(problem)):
            raise
        cause = getattr(problem, "orig", None) or problem
        fail(f"ALERTROUTER_DATABASE_URL: {str(cause).splitlines()[0]}")
