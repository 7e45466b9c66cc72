"""Alembic's entry: migrates the connection that it is given, or the one of alembic.ini's command line use."""

from alembic import context
from sqlalchemy import create_engine
from sqlmodel import SQLModel

import alertrouter.tables  # noqa: F401 - fills the metadata

connection = context.config.attributes.get("connection")


def migrate(to) -> None:
    context.configure(connection=to, target_metadata=SQLModel.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


if connection is not None:
    migrate(connection)
else:
    with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as own:
        migrate(own)
