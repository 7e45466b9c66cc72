"""Types of columns that both databases and the driver-level statements of `alertrouter.store` agree on.

Moments are integers (see `alertrouter.moments`); `Moment` turns them into aware datetimes for everything that reads through a
session.
"""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Dialect, Text
from sqlalchemy.types import TypeDecorator

from alertrouter.moments import from_micros, to_micros


class Moment(TypeDecorator[datetime]):
    """An aware datetime in a BIGINT of microseconds; a naive one is refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To the database."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else from_micros(value)


class Json(TypeDecorator[Any]):
    """A typed value as JSON text."""

    impl = Text
    cache_ok = True

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.shape = shape

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """From the database."""
        return None if value is None else msgspec.json.decode(value, type=self.shape)


def to_json(value: Any) -> str:
    """JSON text as the columns of type `Json` hold it; NUL is escaped in it, which PostgreSQL's text needs."""
    return msgspec.json.encode(value).decode()
