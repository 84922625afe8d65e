"""Copies of a whole store: a SQLite file out of any store, and a database out of such a file."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Table,
    create_engine,
    delete,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from dreamnet.drivers.store.base import LedgerHead
from dreamnet.drivers.store.engines import for_reading, postgres_engine, sqlite_engine
from dreamnet.drivers.store.faults import translated
from dreamnet.drivers.store.migrations import HEAD, REVISIONS
from dreamnet.drivers.store.place import Place, place_of
from dreamnet.drivers.store.schema import bring_to_head, build, present_revision
from dreamnet.drivers.store.tables import ledger_head, metadata
from dreamnet.drivers.store.transaction import SqlTx
from dreamnet.kernel.errors import Corrupt, NotFound, UserError
from dreamnet.model.events import EventKind

_LOCK_WAIT = timedelta(seconds=30)
_ROWS_AT_ONCE = 500
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'dreamnet' AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True)
class Content:
    """What a proven copy holds: its schema's revision, its ledger's rows and newest row."""

    revision: str
    rows: int
    head: LedgerHead | None


def copy_out(place: Place, target: Path) -> None:
    """Write the whole store, as of one instant, to the new SQLite file `target`.

    Works beside writers. `NotFound` when there is no store, `Corrupt` or `Unavailable` when it
    cannot be read, OSError when `target` cannot be written.
    """
    if place.file is not None and not place.file.exists():  # connecting would make one
        raise NotFound.of("there is no store yet", where=place.shown, mend="start: dreamnet up")
    with errors_of(place):
        try:
            if place.file is None:
                _copy_rows_out(place, target)
            else:
                _vacuum(place, place.file, target)
        except (sqlite3.Error, DBAPIError) as error:
            _blame_target(error, target)
            raise


def _blame_target(error: Exception, target: Path) -> None:
    """Raise OSError if the disk of the copy is full: nothing is wrong with the store then."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    if getattr(origin, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target)) from error


def _vacuum(place: Place, file: Path, target: Path) -> None:
    """Copy a SQLite file as a whole; its free pages and its log are left behind."""
    engine = plain_engine(file)
    with engine.connect() as connection:
        _refuse_unknown(present_revision(connection), place, REVISIONS)
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as source:
        source.execute(f"PRAGMA busy_timeout={int(_LOCK_WAIT.total_seconds() * 1000)}")
        source.execute("VACUUM INTO ?", (str(target),))


def _copy_rows_out(place: Place, target: Path) -> None:
    database = for_reading(postgres_engine(place, _LOCK_WAIT, size=1))
    try:
        with database.connect() as source, source.begin():
            _refuse_unknown(present_revision(source), place, (HEAD,))
            with plain_engine(target, writing=True).connect() as copy, copy.begin():
                build(copy)
                _copy_rows(source, copy)
    finally:
        database.dispose()


def _refuse_unknown(revision: str, place: Place, known: tuple[str, ...]) -> None:
    if not revision:
        raise NotFound.of(
            "this is no store of DreamNet", where=place.shown, mend="start once: dreamnet up"
        )
    if revision not in known:
        raise UserError.of(
            f'the store has schema "{revision}", this DreamNet knows "{known[-1]}"',
            where=place.shown,
            mend="use the DreamNet that wrote it, or update the store with: dreamnet up",
        )


def _copy_rows(source: Connection, target: Connection) -> None:
    """Replace every row of the target; whatever only counts insertions is counted anew."""
    for table in reversed(metadata.sorted_tables):
        target.execute(delete(table))
    for table in metadata.sorted_tables:
        kept = [column for column in table.columns if column.identity is None]
        for rows in _batches(source, table, kept):
            target.execute(insert(table).inline(), rows)


def _batches(
    source: Connection, table: Table, kept: list[Column[Any]]
) -> Iterator[list[dict[str, Any]]]:
    ordered = select(*kept).order_by(*table.primary_key.columns)
    options = {"yield_per": _ROWS_AT_ONCE}
    with source.execute(ordered, execution_options=options) as found:
        for batch in found.mappings().partitions():
            yield [dict(row) for row in batch]


def prove(file: Path) -> Content:
    """Check every page and the ledger's whole chain of a copy; `Corrupt` when one is wrong."""
    place = place_of(file)
    with errors_of(place), plain_engine(file).connect() as connection:
        said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
        if said != "ok":
            raise Corrupt(f"{file}: the store is damaged: {said}")
        revision = present_revision(connection)
        _refuse_unknown(revision, place, REVISIONS)
        check = SqlTx(connection, writing=False).ledger.verify()
    if check.broken_at is not None:
        raise Corrupt(f"{file}: the ledger is broken at row {check.broken_at}: {check.why}")
    return Content(revision, check.rows, check.head)


def make_ready(file: Path, body: dict[str, Any], now: datetime) -> None:
    """Bring a copy to the newest schema and tell in its ledger that it was restored.

    At the end the copy is one file that is on disk.
    """
    place = place_of(file)
    engine = sqlite_engine(place, _LOCK_WAIT, writing=True, size=1)
    try:
        with errors_of(place), engine.connect() as connection, connection.begin():
            bring_to_head(connection, place)
            tx = SqlTx(connection, writing=True)
            tx.ledger.append(EventKind.STORE_RESTORED, "node", body, now)
            tx.finish()
    finally:
        engine.dispose()
    with errors_of(place):
        fold(file)


def fold(file: Path) -> None:
    """Take what is in a SQLite file's log into the file; sqlite3.Error when that is impossible."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA journal_mode=DELETE")


def rows_in(place: Place) -> int:
    """Return the number of the newest ledger row of a database; 0 when it holds nothing of ours."""
    engine = for_reading(postgres_engine(place, _LOCK_WAIT, size=1))
    try:
        with errors_of(place), engine.connect() as connection, connection.begin():
            if not present_revision(connection):
                return 0
            return connection.execute(select(func.max(ledger_head.c.seq))).scalar() or 0
    finally:
        engine.dispose()


def copy_in(file: Path, place: Place) -> None:
    """Replace everything in a PostgreSQL database, all or nothing, by what a copy holds.

    `UserError` while others of DreamNet are connected to it.
    """
    engine = postgres_engine(place, _LOCK_WAIT, size=1)
    try:
        with errors_of(place), engine.connect() as target, target.begin():
            if target.execute(_OTHERS).scalar():
                raise UserError.of(
                    "a node works on this database",
                    where=place.shown,
                    mend="stop it first: dreamnet down",
                )
            bring_to_head(target, place)
            with plain_engine(file).connect() as source:
                _copy_rows(source, target)
    finally:
        engine.dispose()


def plain_engine(file: Path, *, writing: bool = False) -> Engine:
    """Return an engine that changes nothing about the file but what it is told to.

    One that only reads may write to SQLite's own files beside it, or it could not remove them.
    """
    address = f"{file.absolute().as_uri()}?mode={'rwc' if writing else 'rw'}"
    wait_s = _LOCK_WAIT.total_seconds()

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(address, uri=True, timeout=wait_s)
        if not writing:
            connection.execute("PRAGMA query_only=ON")
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)


@contextmanager
def errors_of(place: Place) -> Generator[None]:
    """Raise the databases' errors as ours."""
    try:
        yield
    except Exception as error:
        ours = translated(error, place)
        if ours is error:
            raise
        raise ours from error
