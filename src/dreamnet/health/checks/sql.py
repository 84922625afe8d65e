"""Check that an SQL database answers a query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from dreamnet.health.check import Check

_SQLITE_READ = "SELECT count(*) FROM sqlite_master"  # SELECT 1 would not even open the file
_ANY_READ = "SELECT 1"


def sql_database(
    source: Callable[[], object] | object, *, name: str = "database", query: str | None = None
) -> Check:
    """Check a database through a function that opens a DB-API connection, or an SQLAlchemy Engine.

    The connection is rolled back and closed after each run. `query` defaults to a cheap read;
    on SQLite `"BEGIN IMMEDIATE"` proves that writing is possible too. Raises TypeError on a
    source that is neither, such as an asynchronous engine.
    """
    if hasattr(source, "sync_engine"):
        message = (
            "an asynchronous engine needs its own check: use an `async def` with @health.check"
        )
        raise TypeError(message)
    if _is_engine(source):
        return _check(name, lambda: _ask_engine(source, query))
    if not callable(source):
        message = f"sql_database takes a connect function or an Engine, got {type(source).__name__}"
        raise TypeError(message)
    return _check(name, lambda: _ask_connection(cast("Any", source)(), query))


def _check(name: str, run: Callable[[], None]) -> Check:
    return Check(name, run, component_type="datastore")


def _is_engine(source: object) -> bool:
    return hasattr(source, "connect") and hasattr(source, "dialect")


def _ask_engine(engine: Any, query: str | None) -> None:
    with engine.connect() as connection:
        is_sqlite = engine.dialect.name == "sqlite"
        result = connection.exec_driver_sql(query or (_SQLITE_READ if is_sqlite else _ANY_READ))
        if result.returns_rows:
            result.fetchone()
        connection.rollback()


def _ask_connection(connection: Any, query: str | None) -> None:
    try:
        is_sqlite = type(connection).__module__.split(".")[0] in {"sqlite3", "pysqlite3"}
        cursor = connection.cursor()
        cursor.execute(query or (_SQLITE_READ if is_sqlite else _ANY_READ))
        if cursor.description is not None:
            cursor.fetchone()
        connection.rollback()
    finally:
        connection.close()
