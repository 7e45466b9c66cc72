from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, inspect, text
from sqlmodel import SQLModel

from alertrouter.bundled import bundled
from alertrouter.store import migrations
from alertrouter.store.database import Database


def test_the_migrations_build_exactly_the_tables_of_the_models(database_url: str) -> None:
    database = Database(database_url)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    database.close()


def test_the_partial_indexes_are_partial(database_url: str) -> None:
    database = Database(database_url)
    with database.engine.connect() as connection:
        table = "pg_indexes" if database.is_postgres else "sqlite_master"
        column, name = ("indexdef", "indexname") if database.is_postgres else ("sql", "name")
        found: dict[str, str] = dict(connection.execute(text(f"SELECT {name}, {column} FROM {table}")).all())
    partial = {
        "incident_latest",
        "incident_subject",
        "incident_due",
        "incident_hold",
        "delivery_next",
        "delivery_urgent",
        "delivery_waiting",
    }
    assert {index for index in partial if "WHERE" in (found[index] or "")} == partial
    database.close()


def test_going_down_to_nothing_and_up_again_works(database_url: str) -> None:
    database = Database(database_url)
    migrations.downgrade(database.engine, "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    assert not migrations.is_current(database.engine)
    migrations.upgrade(database.engine)
    assert migrations.is_current(database.engine)
    assert "incident" in inspect(database.engine).get_table_names()
    database.close()


def test_a_schema_that_a_newer_version_made_is_good_and_left_as_it_is(database_url: str) -> None:
    database = Database(database_url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert migrations.is_current(database.engine)
    migrations.upgrade(database.engine)
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
    database.close()


def test_revisions_are_numbers_that_count_up(database_url: str) -> None:
    database = Database(database_url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert not migrations.is_current(database.engine)
    names = [script.revision for script in ScriptDirectory(str(bundled("alembic"))).walk_revisions()]
    assert names[::-1] == [f"{number:04}" for number in range(1, len(names) + 1)]
    database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    address: str = request.getfixturevalue("empty_postgres_url")
    return address


def test_a_migration_that_breaks_off_leaves_nothing_half_done_and_is_done_by_the_next_start(empty_url: str) -> None:
    class BrokenOffError(Exception):
        pass

    def break_off(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if "CREATE TABLE heartbeat" in statement:
            raise BrokenOffError

    database = Database(empty_url)
    event.listen(database.engine, "before_cursor_execute", break_off)
    with pytest.raises(BrokenOffError):
        migrations.upgrade(database.engine)
    event.remove(database.engine, "before_cursor_execute", break_off)
    assert inspect(database.engine).get_table_names() == []
    migrations.upgrade(database.engine)
    assert migrations.is_current(database.engine)
    database.close()


def test_a_migration_that_waits_for_a_table_that_is_being_read_keeps_nobody_else_from_it(postgres_url: str) -> None:
    database = Database(postgres_url)
    with ThreadPoolExecutor(1) as threads, psycopg.connect(postgres_url) as reader:
        reader.execute("SELECT count(*) FROM delivery")  # as pg_dump does: it holds on to the table to its end
        migrating = threads.submit(migrations.downgrade, database.engine, "0014")
        with psycopg.connect(postgres_url, autocommit=True) as other:
            while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
                pass
            other.execute("SET lock_timeout = '60s'")
            other.execute("SELECT count(*) FROM delivery")
        assert not migrating.done()
        reader.rollback()
        migrating.result(60)
    assert not migrations.is_current(database.engine)
    database.close()


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    database = Database(database_url)
    migrations.upgrade(database.engine)
    assert migrations.is_current(database.engine)
    database.close()
