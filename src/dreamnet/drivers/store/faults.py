"""The one place where errors of SQLAlchemy and the databases become ours."""

from __future__ import annotations

import sqlite3
from typing import Any, cast

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dreamnet.drivers.store.place import Place, mend_of
from dreamnet.drivers.store.soundness import RESTORE
from dreamnet.kernel.errors import (
    Complaint,
    Conflict,
    Corrupt,
    DreamNetError,
    Permanent,
    Unavailable,
    UserError,
)

_AGAIN = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_CORRUPT_STATES = frozenset({"XX001", "XX002", "42P01", "42703"})  # damaged page, index; no table
_REFUSED_STATES = frozenset({"28000", "28P01", "3D000", "42501", "3F000"})
_REFUSED_WORDS = (
    "authentication failed",
    "does not exist",
    "no password supplied",
    "no pg_hba.conf entry",
    "permission denied",
)
_CORRUPT_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_CORRUPT_WORDS = ("no such table", "no such column", "malformed")  # of the general SQLITE_ERROR
_FORBIDDEN_CODES = frozenset(
    {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
)
_AWAY_CLASSES = frozenset({"08", "57"})  # no link; the server stops, starts or was told to
_AWAY = "bring the database back: DreamNet goes on by itself"
_RESTORE_DATABASE = "restore the database from a backup"
_DISK = "the disk failed or may no longer be written: the kernel's log (dmesg) tells why"
_LOGIN = "check user, password, database and their rights in the store's URL"


class NotAllowed(Unavailable):
    """The database is there, but may not be used: no rights, read-only, a wrong login.

    In the middle of a run that may pass; at the start it is the user's to mend.
    """

    def __init__(self, complaint: Complaint) -> None:
        super().__init__(str(complaint))
        self.complaint = complaint


def at_opening(error: BaseException) -> BaseException:
    """Return the error that a refused opening tells the user."""
    return UserError(error.complaint) if isinstance(error, NotAllowed) else error


def translated(error: BaseException, place: Place, *, reading: bool = False) -> BaseException:
    """Return our error for a database's; anything else is returned as it is."""
    if isinstance(error, PoolTimeout):
        return Unavailable(f"{place.shown}: every connection is busy")
    origin = _origin(error)
    if origin is None:
        return _of_sqlalchemy(error, place)
    if isinstance(error, IntegrityError):
        return Conflict.of(f"the store holds this already: {_words(origin, place)}")
    if isinstance(origin, sqlite3.Error):
        return _of_sqlite(origin, place, reading=reading)
    return _of_postgres(origin, place, reading=reading)


def _origin(error: BaseException) -> BaseException | None:
    if isinstance(error, DBAPIError):
        return error.orig
    is_vendor = isinstance(error, sqlite3.Error) or type(error).__module__.startswith("psycopg")
    return error if is_vendor else None


def _of_sqlalchemy(error: BaseException, place: Place) -> BaseException:
    if not isinstance(error, SQLAlchemyError):
        return error
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ValueError | TypeError):  # a value that cannot be stored: the caller's
        return cause
    return Permanent(f"{place.shown}: {type(error).__name__}")


def _of_sqlite(error: sqlite3.Error, place: Place, *, reading: bool) -> DreamNetError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_INTERNAL)
    primary = code & 0xFF
    what = f"{place.shown}: {error}"
    is_general = primary == sqlite3.SQLITE_ERROR
    if primary in _CORRUPT_CODES or (is_general and str(error).startswith(_CORRUPT_WORDS)):
        return Corrupt(f"{place.shown}: the store is damaged: {error}\n  mend: {RESTORE}")
    if reading and code == sqlite3.SQLITE_READONLY:
        return Permanent(f"{what}: a read transaction tried to write")
    if primary in _FORBIDDEN_CODES:
        return NotAllowed(Complaint(f"the store: {error}", place.shown, mend_of(error)))
    if primary == sqlite3.SQLITE_FULL:
        return Unavailable(f"{what}\n  mend: {mend_of(error)}")
    if primary in _BUSY_CODES:
        return Unavailable(f"{what}\n  mend: end what else uses this file (fuser -v shows it)")
    if primary == sqlite3.SQLITE_IOERR:
        return Unavailable(f"{what}\n  mend: {_DISK}")
    if isinstance(error, sqlite3.OperationalError) and not is_general:
        return Unavailable(what)
    return Permanent(what)


def _of_postgres(error: BaseException, place: Place, *, reading: bool) -> DreamNetError:
    state, words = sqlstate(error), _words(error, place)
    what = f"{place.shown}: {words}"
    if state in _CORRUPT_STATES:
        return Corrupt(f"{place.shown}: the store is damaged: {words}\n  mend: {_RESTORE_DATABASE}")
    if reading and state == "25006":
        return Permanent(f"{what}: a read transaction tried to write")
    if state in _REFUSED_STATES or (not state and any(word in words for word in _REFUSED_WORDS)):
        return NotAllowed(Complaint(words, place.shown, _LOGIN))
    if state[:2] in {"22", "23", "42"}:  # data, integrity, statement: asking again changes nothing
        return Permanent(what)
    if not state or state[:2] in _AWAY_CLASSES:
        return Unavailable(f"{what}\n  mend: {_AWAY}")
    return Unavailable(what)


def sqlstate(error: BaseException) -> str:
    """Return PostgreSQL's five-letter code of an error, empty when there is none."""
    origin = cast("Any", error.orig if isinstance(error, DBAPIError) else error)
    return getattr(origin, "sqlstate", None) or ""


def _words(error: BaseException, place: Place) -> str:
    words = " ".join(str(error).split())
    password = place.url.password
    return words.replace(str(password), "***") if password else words


def is_conflict(error: BaseException) -> bool:
    """True if PostgreSQL undid the transaction so that another could pass."""
    return sqlstate(error) in _AGAIN


def is_lost_link(error: BaseException) -> bool:
    """True if the connection is gone, or was never made."""
    return isinstance(error, DBAPIError) and error.connection_invalidated
