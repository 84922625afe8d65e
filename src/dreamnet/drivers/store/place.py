"""Where the store is: a SQLite file or a PostgreSQL database, and how to name it safely."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from dreamnet.kernel.errors import ConfigError, UserError
from dreamnet.model.hosts import Hosts, split_hosts

_MEND = 'use a file, such as store = "sqlite:///dreamnet.db", or "postgresql://user@host/database"'


@dataclass(frozen=True)
class Place:
    """A checked address; `shown` is fit for errors and logs, it holds no password.

    `hosts` are the servers of a URL that names several, of which the writable one is used.
    """

    url: URL
    shown: str
    file: Path | None = None
    hosts: Hosts = ()


def place_of(where: str | Path) -> Place:
    """Return the place that a path or URL names; `ConfigError` when it is none we can use."""
    if isinstance(where, Path):
        return _file_place(where)
    try:
        hosts, where = split_hosts(where)
        url = make_url(where)
    except (ArgumentError, ValueError):
        # The vendor's error may quote the text, and with it a password.
        raise ConfigError.of("this is no database URL", where="store", mend=_MEND) from None
    family = url.drivername.partition("+")[0]
    if family == "sqlite" and url.drivername in {"sqlite", "sqlite+pysqlite"}:
        return _sqlite_place(url)
    if family in {"postgresql", "postgres"}:
        return _postgres_place(url, hosts)
    raise ConfigError.of(f'"{url.drivername}" is no store we know', where="store", mend=_MEND)


def _sqlite_place(url: URL) -> Place:
    if not url.database or url.database == ":memory:":
        raise ConfigError.of("a store in memory forgets everything", where="store", mend=_MEND)
    if url.query or url.database.startswith("file:"):
        raise ConfigError.of("options of SQLite are DreamNet's own", where="store", mend=_MEND)
    return _file_place(Path(url.database))


def _file_place(file: Path) -> Place:
    file = file.absolute()
    return Place(URL.create("sqlite", database=str(file)), str(file), file)


def _postgres_place(url: URL, hosts: Hosts) -> Place:
    if url.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        mend = 'write "postgresql://...": DreamNet brings its own driver (psycopg)'
        raise ConfigError.of(f'"{url.drivername}" is no driver we use', where="store", mend=mend)
    if hosts and "target_session_attrs" not in url.query:
        url = url.update_query_dict({"target_session_attrs": "read-write"})
    return Place(
        url.set(drivername="postgresql+psycopg"), _without_secrets(url, hosts), None, hosts
    )


def _without_secrets(url: URL, hosts: Hosts) -> str:
    port = f":{url.port}" if url.port else ""
    where = " or ".join(f"{host}:{port}" for host, port in hosts)
    where = where or f"{url.host or 'local socket'}{port}"
    return f"PostgreSQL at {where}, database {url.database or url.username or 'default'}"


def prepare_file(file: Path) -> None:
    """Make the folder and a new file only its owner may read; `UserError` when that fails.

    A new file appears whole: an empty one is never ours, so it is known as damaged later.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            _make(file)
        os.close(os.open(file, os.O_RDWR | os.O_CLOEXEC))
    except (OSError, sqlite3.Error) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError.of(
            f"the store cannot be written: {what}", where=str(file), mend=mend_of(error)
        ) from error


def _make(file: Path) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(draft)) as link:
            link.execute("PRAGMA journal_mode=WAL")
        with contextlib.suppress(FileExistsError):  # somebody was faster; theirs is as good
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)


def mend_of(error: Exception) -> str:
    """Return how to mend a file that cannot be written."""
    number = error.errno if isinstance(error, OSError) else None
    if number in {errno.ENOSPC, errno.EDQUOT} or "full" in str(error):
        return "free space on this disk"
    if number == errno.EROFS:
        return "this file system is mounted read-only: mount it for writing"
    return "let DreamNet's user write this file and its folder, or set another data_dir"
