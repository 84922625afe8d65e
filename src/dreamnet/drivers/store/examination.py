"""Examines a store without changing anything: can it be read, which schema, is it sound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from dreamnet.drivers.store.base import LedgerCheck
from dreamnet.drivers.store.copies import errors_of, plain_engine
from dreamnet.drivers.store.engines import for_reading, postgres_engine
from dreamnet.drivers.store.migrations import HEAD, REVISIONS
from dreamnet.drivers.store.place import Place
from dreamnet.drivers.store.schema import present_revision
from dreamnet.drivers.store.transaction import SqlTx

_PATIENCE = timedelta(seconds=5)


@dataclass(frozen=True)
class Examination:
    """What was seen; `damage` is SQLite's own first complaint, `ledger` None if it was not read."""

    engine: str
    revision: str
    newest_revision: str
    is_known: bool
    damage: str
    ledger: LedgerCheck | None


def examine(place: Place) -> Examination:
    """Read a store that is there, beside whoever works on it.

    `Corrupt`, `Unavailable` or `UserError` when it cannot be read.
    """
    if place.file is not None:
        engine = plain_engine(place.file)
    else:
        engine = for_reading(postgres_engine(place, _PATIENCE, size=1))
    try:
        with errors_of(place), engine.connect() as connection, connection.begin():
            return _examine(connection, is_file=place.file is not None)
    finally:
        engine.dispose()


def _examine(connection: Connection, *, is_file: bool) -> Examination:
    damage = ""
    if is_file:
        said = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        damage = "" if said == "ok" else said
    revision = "" if damage else present_revision(connection)
    is_known = revision in REVISIONS
    version = ".".join(map(str, connection.dialect.server_version_info or ()))
    name = "SQLite" if is_file else "PostgreSQL"
    ledger = SqlTx(connection, writing=False).ledger.verify() if is_known else None
    return Examination(f"{name} {version}", revision, HEAD, is_known, damage, ledger)
