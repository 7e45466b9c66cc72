"""The schema: Alembic's migrations, which travel with the package.

Alembic itself is imported when there is something to migrate: a start with a current schema does without its time and memory.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from alertrouter.bundled import bundled

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 0x616C657274
_ANY_TIME = "SET lock_timeout = 0; SET statement_timeout = 0"
_BEGIN = {"postgresql": "BEGIN; SET LOCAL lock_timeout = '2s'", "sqlite": "BEGIN IMMEDIATE"}
"""Whoever waits for a table that is long being read, as by pg_dump, keeps all others waiting who come after: not for long."""
_PAUSE_SECONDS = 1.0
_LOCKED = "55P03"
_log = structlog.get_logger()


def upgrade(engine: Engine) -> None:
    """Create the tables, or bring them up to date. Replicas that start at once wait for each other.

    A schema that a newer version has made is left as it is: what is there, this version can use (docs/reliability.md).
    """
    found = _revision(engine)
    if _is_newer(found):
        _log.warning("a newer version has migrated the database", found=found, known=head())
    elif found != head():
        _run(engine, _upgrade)


def downgrade(engine: Engine, revision: str) -> None:
    """Go back to an older schema."""
    from alembic import command  # noqa: PLC0415

    _run(engine, lambda config: command.downgrade(config, revision))


def is_current(engine: Engine) -> bool:
    """Whether the schema is the one that this code expects, or a newer one, as it is while replicas are replaced one by one."""
    found = _revision(engine)
    return found == head() or _is_newer(found)


@lru_cache
def head() -> str:
    """The newest revision: they are numbers of four digits, counted up, and their files begin with them."""
    return max(path.name[:4] for path in (bundled("alembic") / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def _is_newer(found: str | None) -> bool:
    return found is not None and found.isdecimal() and found > head()


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return _found(connection)


def _found(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return revision


def _upgrade(config: Config) -> None:
    """With the lock held, as another replica may have done it meanwhile."""
    from alembic import command  # noqa: PLC0415

    if not _is_newer(_found(config.attributes["connection"])):
        command.upgrade(config, "head")


def _run(engine: Engine, work: Callable[[Config], None]) -> None:
    from alembic.config import Config  # noqa: PLC0415

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(bundled("alembic")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        try:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(_ANY_TIME)
                connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            while not _is_done(connection, lambda: work(config)):
                time.sleep(_PAUSE_SECONDS)
        finally:
            connection.invalidate()  # and with the session the lock, and what was not committed


def _is_done(connection: Connection, work: Callable[[], None]) -> bool:
    """Work in one transaction, so that who dies in between leaves nothing half done; False if a table was in use."""
    connection.exec_driver_sql(_BEGIN[connection.dialect.name])
    try:
        work()
    except OperationalError as problem:
        if getattr(problem.orig, "sqlstate", None) != _LOCKED:
            raise
        connection.exec_driver_sql("ROLLBACK")
        _log.warning("the database cannot be migrated yet: somebody has a table in use")
        return False
    connection.exec_driver_sql("COMMIT")
    return True
