"""The schema: Alembic's migrations, which travel with the package."""

import logging
from collections.abc import Callable

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from alertrouter.bundled import bundled

_LOCK = 0x616C657274
_ANY_TIME = "SET lock_timeout = 0; SET statement_timeout = 0"


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Create the tables, or bring them up to date. Replicas that start at once wait for each other."""
    _run(engine, lambda config: command.upgrade(config, revision))


def downgrade(engine: Engine, revision: str) -> None:
    """Go back to an older schema."""
    _run(engine, lambda config: command.downgrade(config, revision))


def is_current(engine: Engine) -> bool:
    """Whether the schema is the one that this code expects."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == _head()


def _head() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


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
