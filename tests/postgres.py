"""A real PostgreSQL for tests: Debian's binaries on a throwaway directory and a free port."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

_MISSING = "PostgreSQL server binaries not found: apt-get install postgresql"
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 20.0
_TRIES = 3


@dataclass
class PostgresServer:
    """A running server; every test makes a database of its own in it."""

    port: int
    password: str = field(repr=False)
    _numbers: count[int] = field(default_factory=count, repr=False)

    def url(self, database: str) -> str:
        """Return the URL of a database, with the password in it."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside of any transaction and return its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self) -> Generator[str]:
        """Make an empty database; yields its name, drops it at the end."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def cut_links(self, database: str) -> None:
        """End every connection to a database, as a restart of the server would."""
        self.run(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname='{database}'"
        )


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_major)
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _major(initdb: Path) -> int:
    name = initdb.parent.parent.name
    return int(name) if name.isdigit() else 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _user() -> dict[str, Any]:
    """Return what makes a child run as `postgres`: its tools refuse to run as root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def own(path: Path) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(path, entry.pw_uid, entry.pw_gid)


def require_binaries() -> Path:
    """Return where the server's programs are; skips (in CI: fails) where there are none."""
    binaries = _binaries()
    if binaries is None:
        pytest.fail(_MISSING) if os.environ.get("CI") else pytest.skip(_MISSING)
    return binaries


def initialise(folder: Path, password: str) -> None:
    """Make the data of a new server in `folder`."""
    binaries = require_binaries()
    word = folder / "password"
    word.write_text(password, encoding="utf-8")
    own(word)
    command = [binaries / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "scram-sha-256"]
    command += ["--pwfile", word, "-E", "UTF8", "--no-locale", "--no-sync"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, **_user())
    if done.returncode != 0:
        pytest.fail(f"initdb failed: {done.stderr.decode(errors='replace')}")


def copy(server: PostgresServer, folder: Path) -> None:
    """Copy a running server into `folder`, as a standby that follows it."""
    command = [require_binaries() / "pg_basebackup", "-D", folder / "data", "-R", "-X", "stream"]
    command += ["-d", server.url("postgres"), "--checkpoint=fast", "--no-sync"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, **_user())
    if done.returncode != 0:
        pytest.fail(f"pg_basebackup failed: {done.stderr.decode(errors='replace')}")


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the server of `folder` on a port."""
    binaries = require_binaries()
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        "fsync": "off",  # a killed client or server loses nothing: the page cache stays
        "full_page_writes": "off",
        "max_connections": "60",
    }
    command = [str(binaries / "postgres"), "-D", str(folder / "data")]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **_user())


def answers(server: PostgresServer, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers; false when it ended instead (its port was taken)."""
    import psycopg

    limit = time.monotonic() + _START_LIMIT_S
    while process.poll() is None:
        try:
            server.run("SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.05)
        else:
            return True
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(sign)
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            continue
        return


@contextmanager
def running_postgres() -> Generator[PostgresServer]:
    """Run a server for a while; skips (in CI: fails) where there are no binaries."""
    require_binaries()
    folder = Path(tempfile.mkdtemp(prefix="dreamnet-postgres-"))
    try:
        own(folder)
        password = secrets.token_urlsafe(12)
        initialise(folder, password)
        for _ in range(_TRIES):
            server = PostgresServer(free_port(), password)
            process = start(folder, server.port)
            try:
                if answers(server, process):
                    yield server
                    return
            finally:
                _stop(process)
        pytest.fail(f"PostgreSQL did not start: {(folder / 'log').read_text(encoding='utf-8')}")
    finally:
        shutil.rmtree(folder)


_shared: list[tuple[AbstractContextManager[PostgresServer], PostgresServer]] = []


@contextmanager
def _shared_server() -> Generator[PostgresServer]:
    """Give every file that imports the fixture the same server; the last one out stops it."""
    if not _shared:
        context = running_postgres()
        _shared.append((context, context.__enter__()))
    context, server = _shared[-1]
    _shared.append((context, server))
    try:
        yield server
    finally:
        _shared.pop()
        if len(_shared) == 1:
            _shared.pop()
            context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def postgres_server() -> Generator[PostgresServer]:
    """A real server for the whole session."""
    with _shared_server() as server:
        yield server


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Generator[str]:
    """The name of an empty database in `postgres_server`, dropped after the test."""
    with postgres_server.database() as name:
        yield name


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_database: str) -> str:
    """The URL of an empty database on a real server."""
    return postgres_server.url(postgres_database)
