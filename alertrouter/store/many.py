"""Statements that write many rows in one go, for `Transaction.run_many`.

SQLite runs a statement for each row: that is a call in this process. PostgreSQL gets all rows as one parameter of JSON, which
msgspec writes and the server reads in C; psycopg takes as long for a single row as both of them for fifty.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, bindparam, cast, column, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

ROWS = "given_rows"
"""The one parameter on PostgreSQL."""
ID = "b_id"
"""The row's name for the id of what is updated."""


def insert_many(table: Any, names: Sequence[str], postgres: bool) -> Any:
    """Insert these columns; the statement is the dialect's own and can be given what to do on a conflict."""
    if not postgres:
        return sqlite.insert(table).values({name: bindparam(name) for name in names})
    given = _given(table, {name: name for name in names})
    return postgresql.insert(table).from_select(list(names), select(*(given.c[name] for name in names)))


def update_many(table: Any, names: Sequence[str], postgres: bool) -> ClauseElement:
    """Set these columns where the table's `id` is the row's `b_id`."""
    if not postgres:
        return update(table).where(table.c.id == bindparam(ID)).values({name: bindparam(name) for name in names})
    given = _given(table, {ID: "id"} | {name: name for name in names})
    return update(table).where(table.c.id == given.c[ID]).values({name: given.c[name] for name in names})


def _given(table: Any, columns: dict[str, str]) -> Any:
    """The rows of the parameter as a table, whose columns have the types of the table's."""
    typed = [column(name, table.c[of].type) for name, of in columns.items()]
    return func.json_to_recordset(cast(bindparam(ROWS), JSON)).table_valued(*typed).render_derived(name="given", with_types=True)
