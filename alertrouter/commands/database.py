"""`alertrouter db ...`: migrations, retention, backups."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alertrouter.commands.console import fail, settings_or_fail
from alertrouter.durations import format_duration, parse_duration
from alertrouter.settings import Settings

if TYPE_CHECKING:
    from alertrouter.restoring import Report
    from alertrouter.store.database import Database

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
        with database.read() as session:
            expected = store.count(session, wish)
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
        is_more = True
        while is_more:
            with database.transaction() as tx:
                [is_more] = store.prune_others(tx, [wish])
        database.close()
    typer.echo(f"{total} incidents that were over for more than {format_duration(retention)} are forgotten")


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="Where to; a file that is there is not overwritten.")]) -> None:
    """Copy the SQLite database to a file, also while the service is at work. PostgreSQL has its own tools."""
    from alertrouter.store import backup as store  # noqa: PLC0415

    source = _sqlite_file(settings_or_fail())
    if source is None:
        fail(
            "db backup copies SQLite. For PostgreSQL: pg_dump --format=custom --file=FILE, with the address of"
            " ALERTROUTER_DATABASE_URL, or your provider's snapshots"
        )
    try:
        store.copy(source, file)
    except store.BackupError as problem:
        fail(str(problem))
    typer.echo(f"{source} is copied to {file}: {file.stat().st_size / 1e6:.1f} MB")


@app.command()
def restore(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A backup to put in place of the SQLite database. Without it the present database is a restored one."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Go on from a backup: what was due before is listed, and not sent. Stop the service first; start it afterwards."""
    from alertrouter.store import backup as store  # noqa: PLC0415
    from alertrouter.store.database import Database  # noqa: PLC0415

    settings = settings_or_fail()
    path = _sqlite_file(settings)
    if path is None and file is not None:
        fail("db restore FILE is for SQLite. For PostgreSQL: pg_restore into the database, then db restore without a file")
    if path is not None and store.is_in_use(path):
        fail(f"{path} is in use: stop alertrouter first")
    if path is None or file is None:
        with database_errors():
            _set_aside(settings, Database(settings.database_url), yes=yes)
        return
    new = path.with_name(path.name + ".restoring")
    store.discard(new)
    try:
        store.copy(file, new)
        with database_errors():
            database = Database(f"sqlite:///{new}")
            now = database.read_now()
            _set_aside(settings, database, yes=yes)
        old = store.put_in_place(new, path, now)
    except store.BackupError as problem:
        fail(str(problem))
    finally:
        store.discard(new)
    typer.echo(f"{path} is {file}" + (f"; what was there is {old}" if old else ""))


def _sqlite_file(settings: Settings) -> Path | None:
    """The file of a SQLite database, None for PostgreSQL."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415

    url = make_url(settings.database_url)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _set_aside(settings: Settings, database: "Database", *, yes: bool) -> None:
    """Supersede what was due in a restored database, once somebody has seen the list and said so."""
    from alertrouter.restoring import mark_restored  # noqa: PLC0415
    from alertrouter.store import migrations  # noqa: PLC0415

    try:
        if others := database.other_sessions():
            fail(f"{others} other sessions of the same user are at work in this database: stop alertrouter first")
        migrations.upgrade(database.engine)
        confirms = bool(settings.pagerduty_webhook_secrets or settings.pagerduty_api_token)
        with database.transaction() as tx:
            _tell(mark_restored(tx, confirms=confirms), settings)
            if not yes and not sys.stdin.isatty():
                fail("nothing is changed: say --yes to go on from here")
            if not yes:
                typer.confirm("Go on from here?", abort=True)
    finally:
        database.close()


def _tell(report: "Report", settings: Settings) -> None:
    as_of = f"{report.newest:%Y-%m-%d %H:%M:%S} UTC" if report.newest else "before the first incident"
    lines = list(report.lines())
    typer.echo(f"as of {as_of}; {len(lines) or 'nothing'} of it was due before now" + (" and is not done:" if lines else ""))
    for line in lines:
        typer.echo(f"  {line}")
    if report.open_titles:
        heals = "" if settings.pagerduty_api_token else " Nothing tells which of them are over meanwhile: close those yourself."
        typer.echo(f"{len(report.open_titles)} incidents are open, and their later steps will be taken.{heals}")


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
