"""Where the store is: a SQLite file or a PostgreSQL database, and how to name it safely."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from dreamnet.kernel.errors import ConfigError, UserError

_MEND = 'use a file, such as store = "sqlite:///dreamnet.db", or "postgresql://user@host/database"'


@dataclass(frozen=True)
class Place:
    """A checked address; `shown` is fit for errors and logs, it holds no password."""

    url: URL
    shown: str
    file: Path | None = None


def place_of(where: str | Path) -> Place:
    """Return the place that a path or URL names; `ConfigError` when it is none we can use."""
    if isinstance(where, Path):
        return _file_place(where)
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        # The vendor's error may quote the text, and with it a password.
        raise ConfigError.of("this is no database URL", where="store", mend=_MEND) from None
    family = url.drivername.partition("+")[0]
    if family == "sqlite" and url.drivername in {"sqlite", "sqlite+pysqlite"}:
        return _sqlite_place(url)
    if family in {"postgresql", "postgres"}:
        return _postgres_place(url)
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


def _postgres_place(url: URL) -> Place:
    if url.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        mend = 'write "postgresql://...": DreamNet brings its own driver (psycopg)'
        raise ConfigError.of(f'"{url.drivername}" is no driver we use', where="store", mend=mend)
    return Place(url.set(drivername="postgresql+psycopg"), _without_secrets(url))


def _without_secrets(url: URL) -> str:
    port = f":{url.port}" if url.port else ""
    host = url.host or "local socket"
    return f"PostgreSQL at {host}{port}, database {url.database or url.username or 'default'}"


def prepare_file(file: Path) -> None:
    """Make the folder and an empty file only its owner may read; `UserError` when that fails."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise UserError.of(
            f"the store cannot be written: {error.strerror}",
            where=str(file),
            mend="let DreamNet's user write this file and its folder, or set another data_dir",
        ) from error
