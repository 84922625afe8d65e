"""The SQLAlchemy engines of both databases, set up so that a commit is on disk."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.pool import QueuePool

from dreamnet.drivers.store.place import Place
from dreamnet.kernel.errors import UserError

_READ_ONLY = "25006"
_WAL_BYTES_KEPT = 16 * 1024 * 1024
_CONNECT_LIMIT_S = 3  # of each host


def sqlite_engine(place: Place, lock_wait: timedelta, *, writing: bool, size: int) -> Engine:
    """Return an engine on the file whose transactions are for writing or only for reading."""
    engine = create_engine(
        place.url,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        hide_parameters=True,
        connect_args={
            "timeout": lock_wait.total_seconds(),
            "isolation_level": None,  # BEGIN is ours, see below
            "check_same_thread": False,  # the pool hands a connection to one thread at a time
        },
    )
    begin = "BEGIN IMMEDIATE" if writing else "BEGIN DEFERRED"

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]  # SQLAlchemy calls it
        _set_pragmas(connection, writing=writing)

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]  # SQLAlchemy calls it
        connection.exec_driver_sql(begin)

    return engine


def _set_pragmas(connection: sqlite3.Connection, *, writing: bool) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a commit survives power loss
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES_KEPT}")
    if not writing:
        connection.execute("PRAGMA query_only=ON")


def postgres_engine(place: Place, lock_wait: timedelta, *, size: int) -> Engine:
    """Return an engine on the database; `UserError` when the driver is not installed."""
    try:
        engine = create_engine(
            place.url,
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=0,
            hide_parameters=True,
            connect_args=_link_limits(place, lock_wait),
        )
    except ModuleNotFoundError as error:
        raise UserError.of(
            "PostgreSQL needs a driver that is not installed",
            where="store",
            mend='pip install "dreamnet[postgres]"',
        ) from error
    _limit_waits(engine, lock_wait)
    return engine


def _link_limits(place: Place, lock_wait: timedelta) -> dict[str, Any]:
    limits: dict[str, Any] = {
        "connect_timeout": _CONNECT_LIMIT_S,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": int(lock_wait.total_seconds() * 1000),
        "application_name": "dreamnet",
    }
    given = {name: value for name, value in limits.items() if name not in place.url.query}
    if place.hosts:
        given["host"] = ",".join(host for host, _ in place.hosts)
        given["port"] = ",".join(str(port) for _, port in place.hosts)
    return given


def _limit_waits(engine: Engine, lock_wait: timedelta) -> None:
    millis = int(lock_wait.total_seconds() * 1000)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]  # SQLAlchemy calls it
        connection.autocommit = True
        connection.execute(f"SET lock_timeout = {millis}")
        # A node that is stopped in mid-transaction must not hold the ledger's head for ever.
        connection.execute(f"SET idle_in_transaction_session_timeout = {millis}")
        connection.autocommit = False

    @event.listens_for(engine, "handle_error")
    def leave(context: ExceptionContext) -> None:  # pyright: ignore[reportUnusedFunction]  # SQLAlchemy calls it
        # A server that may no longer be written was demoted: the next link finds its successor.
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True


def for_reading(engine: Engine) -> Engine:
    """Return a view of a PostgreSQL engine whose transactions see one snapshot and cannot write."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
