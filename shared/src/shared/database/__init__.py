"""Postgres: SQLAlchemy Core is the language, asyncpg executes it.

`database.autocommit` executes each statement by itself, in one round trip; `database.transaction()` executes
several together. Both are a `Connection`, so a repository works on either.
"""

from shared.database.capacity import check_capacity
from shared.database.connection import Connection, HeldConnection
from shared.database.database import Database
from shared.database.errors import is_unavailable
from shared.database.rows import Row, Rows
from shared.database.statement import Statement
from shared.database.url import database_url

__all__ = [
    "Connection",
    "Database",
    "HeldConnection",
    "Row",
    "Rows",
    "Statement",
    "check_capacity",
    "database_url",
    "is_unavailable",
]
