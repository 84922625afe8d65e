"""`INSERT ... ON CONFLICT DO NOTHING`, one form for every database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Insert, Table, insert
from sqlalchemy.dialects.sqlite.dml import OnConflictDoNothing


class _DoNothing(OnConflictDoNothing):
    """SQLite's clause; PostgreSQL's compiler asks for one attribute more."""

    inherit_cache = True
    constraint_target = None


def insert_if_new(
    table: Table, columns: list[str], where: ColumnElement[Any] | None = None
) -> Insert:
    """Return an insert that skips a row whose unique `columns` (among `where`) are taken.

    Its row count is 1 when the row was new, otherwise 0.
    """
    statement = insert(table).inline().ext(_DoNothing(columns, where))
    return statement.execution_options(preserve_rowcount=True)
