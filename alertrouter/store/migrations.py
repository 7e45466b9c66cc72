"""The schema: Alembic's migrations, which travel with the package."""

import logging
from collections.abc import Callable

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from alertrouter.bundled import bundled

_LOCK = 0x616C657274
_ANY_TIME = "SET lock_timeout = 0; SET statement_timeout = 0"
_log = structlog.get_logger()


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Create the tables, or bring them up to date. Replicas that start at once wait for each other.

    A schema that a newer version has made is left as it is: what is there, this version can use (docs/reliability.md).
    """

    def work(config: Config) -> None:
        if revision == "head" and _is_newer(found := _found(config.attributes["connection"])):
            _log.warning("a newer version has migrated the database", found=found, known=_head())
        else:
            command.upgrade(config, revision)

    _run(engine, work)


def downgrade(engine: Engine, revision: str) -> None:
    """Go back to an older schema."""
    _run(engine, lambda config: command.downgrade(config, revision))


def is_current(engine: Engine) -> bool:
    """Whether the schema is the one that this code expects, or a newer one, as it is while replicas are replaced one by one."""
    with engine.connect() as connection:
        found = _found(connection)
        return found == _head() or _is_newer(found)


def _found(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _head() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _is_newer(found: str | None) -> bool:
    """Revisions are numbers of four digits, counted up."""
    return found is not None and found.isdecimal() and found > _head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(bundled("alembic")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _run(engine: Engine, work: Callable[[Config], None]) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = _config()
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(_ANY_TIME)
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        try:
            config.attributes["connection"] = connection
            work(config)
        finally:
            _release(connection)


def _release(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
        connection.invalidate()
