"""The built-in checks on real databases, disks, environments and servers."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.health import (
    Check,
    Finding,
    Health,
    Status,
    disk_space,
    http_dependency,
    migrations_at_head,
    required_env,
    sql_database,
)


async def finding_of(check: Check) -> Finding:
    health = Health("shop")
    health.add(check)
    return (await health.run_checks()).outcomes[0].finding


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE item (id INTEGER)")
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


async def test_a_database_answers(database: Path) -> None:
    finding = await finding_of(sql_database(lambda: sqlite3.connect(database)))
    assert (finding.status, finding.observed_unit) == (Status.PASS, "ms")


async def test_a_locked_database_fails_by_its_code(database: Path) -> None:
    with locked(database):
        finding = await finding_of(sql_database(lambda: sqlite3.connect(database, timeout=0.05)))
    assert finding.status is Status.FAIL
    assert finding.output == "OperationalError: SQLITE_BUSY"


async def test_a_write_lock_is_seen_by_a_query_that_writes(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(database, timeout=0.05)

    writes = sql_database(connect, query="BEGIN IMMEDIATE")
    with locked(database):
        assert (await finding_of(sql_database(connect))).status is Status.PASS
        assert (await finding_of(writes)).status is Status.FAIL
    assert (await finding_of(writes)).status is Status.PASS


async def test_a_file_that_is_no_database_fails(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"garbage" * 1000)
    finding = await finding_of(sql_database(lambda: sqlite3.connect(tmp_path / "x")))
    assert finding.output == "DatabaseError: SQLITE_NOTADB"


async def test_connections_are_closed_even_after_failure(database: Path) -> None:
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        opened.append(sqlite3.connect(database, check_same_thread=False))
        return opened[-1]

    await finding_of(sql_database(connect))
    await finding_of(sql_database(connect, query="SELECT * FROM nowhere"))
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


async def test_an_engine_is_known_by_its_shape(database: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{database}", connect_args={"timeout": 0.05})
    try:
        assert (await finding_of(sql_database(engine))).status is Status.PASS
        writes = sql_database(engine, query="BEGIN IMMEDIATE")
        assert (await finding_of(writes)).status is Status.PASS
        with locked(database):
            finding = await finding_of(sql_database(engine))
        assert finding.output == "OperationalError: SQLITE_BUSY"
    finally:
        engine.dispose()


def test_other_sources_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match="got str"):
        sql_database("postgresql://user:secret@host/db")

    class AsyncEngine:
        sync_engine = None

    with pytest.raises(TypeError, match="async def"):
        sql_database(AsyncEngine())


async def test_a_refused_database_shows_no_address() -> None:
    psycopg = pytest.importorskip("psycopg")

    def connect() -> Any:
        return psycopg.connect("postgresql://user:p4ss@127.0.0.1:1/shop")

    finding = await finding_of(sql_database(connect))
    assert finding.status is Status.FAIL
    assert finding.output == "OperationalError"


async def test_migrations_are_compared() -> None:
    assert (await finding_of(migrations_at_head(lambda: "2", lambda: "2"))).status is Status.PASS
    finding = await finding_of(migrations_at_head(lambda: "1", lambda: "2"))
    assert finding.status is Status.FAIL
    assert finding.output == "the database is at 1, the code expects 2"
    assert (await finding_of(migrations_at_head(lambda: None, lambda: "2"))).status is Status.FAIL


async def test_environment_reports_names_and_never_values() -> None:
    env = {"GOOD": "s3cret", "BLANK": " \t"}
    finding = await finding_of(required_env("GOOD", "BLANK", "GONE", env=env))
    assert (finding.status, finding.output) == (Status.FAIL, "missing: GONE; blank: BLANK")
    assert finding.observed_value == 2
    assert (await finding_of(required_env("GOOD", env=env))).status is Status.PASS


async def test_environment_of_the_process_is_read_at_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = required_env("DREAMNET_TEST_VARIABLE")
    assert (await finding_of(check)).status is Status.FAIL
    monkeypatch.setenv("DREAMNET_TEST_VARIABLE", "x")
    assert (await finding_of(check)).status is Status.PASS


def test_environment_of_no_names_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        required_env()


def with_disk(monkeypatch: pytest.MonkeyPatch, total: int, free: int) -> None:
    usage = type("Usage", (), {"total": total, "used": total - free, "free": free})
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)


@pytest.mark.parametrize(
    ("minimum", "warn_below", "status"),
    [
        (100, None, Status.PASS),
        (101, None, Status.FAIL),
        ("10%", None, Status.PASS),
        ("10.5 %", None, Status.FAIL),
        ("5%", "11%", Status.WARN),
        ("5%", 100, Status.PASS),
        ("1kB", "1MiB", Status.FAIL),
    ],
)
async def test_disk_floors(
    monkeypatch: pytest.MonkeyPatch, minimum: Any, warn_below: Any, status: Status
) -> None:
    with_disk(monkeypatch, total=1000, free=100)
    finding = await finding_of(disk_space("/", minimum, warn_below=warn_below))
    assert (finding.status, finding.observed_value) == (status, 100)


async def test_a_real_disk_and_a_missing_path(tmp_path: Path) -> None:
    assert (await finding_of(disk_space(tmp_path, 1))).status is Status.PASS
    finding = await finding_of(disk_space(tmp_path / "absent", 1))
    assert finding.output == "FileNotFoundError: No such file or directory"


@given(st.integers(0, 10**15), st.sampled_from(["", " "]), st.sampled_from(["%", "MB", "GiB"]))
def test_every_floor_that_is_documented_is_read(number: int, space: str, unit: str) -> None:
    disk_space("/", f"{number}{space}{unit}")


@pytest.mark.parametrize("floor", ["", "5", "-1%", "1 XB", "%", -1])
def test_other_floors_are_refused(floor: Any) -> None:
    with pytest.raises(ValueError, match="is no size"):
        disk_space("/", floor)


@contextmanager
def web_server(code: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/health"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("code", "status"),
    [(200, Status.PASS), (204, Status.PASS), (302, Status.FAIL), (500, Status.FAIL)],
)
async def test_http_dependency(code: int, status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with web_server(code) as url:
        finding = await finding_of(http_dependency(url))
    assert finding.status is status
    assert finding.output == ("" if status is Status.PASS else f"answered {code}")


async def test_http_dependency_with_its_own_expectation() -> None:
    with web_server(401) as url:
        assert (await finding_of(http_dependency(url, expected={401}))).status is Status.PASS


async def test_http_dependency_that_refuses_is_named_by_errno() -> None:
    finding = await finding_of(http_dependency("http://127.0.0.1:1/secret-path"))
    assert finding.output == "URLError: Connection refused"


async def test_http_dependency_that_hangs_fails_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        finding = await finding_of(http_dependency(url, timeout=0.1))
    assert finding.status is Status.FAIL


@pytest.mark.parametrize("url", ["ftp://x/", "x", "http://", "file:///etc/passwd"])
def test_http_dependency_takes_http_only(url: str) -> None:
    with pytest.raises(ValueError, match="http://"):
        http_dependency(url)
