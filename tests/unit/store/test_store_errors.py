"""What callers are told when the database is locked, away, damaged or not to be written."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from dreamnet.drivers.store.base import Tx
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.kernel.errors import Corrupt, Unavailable, UserError
from dreamnet.model.services import ServiceName
from dreamnet.testing.store import memory_store, temporary_store
from tests.contracts.storing import NOW
from tests.postgres import PostgresServer, postgres_database, postgres_server, postgres_url

__all__ = ["postgres_database", "postgres_server", "postgres_url"]

SHORT = timedelta(milliseconds=200)
SHOP = ServiceName("shop")


def want(tx: Tx) -> None:
    tx.services.want(SHOP, 1, 1)


async def test_a_locked_file_is_unavailable_and_then_well_again(tmp_path: Path) -> None:
    store = SqlStore(tmp_path / "x.db", lock_wait=SHORT)
    await store.open()
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(store.tx(want) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 5
    assert "locked" in str(results[0])
    assert await store.read(lambda tx: tx.services.desired()) == {}
    other.execute("COMMIT")
    other.close()
    await store.tx(want)
    await store.close()


async def test_a_file_that_is_no_database_is_kept_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    garbage = b"these are my holiday photos " * 400
    file.write_bytes(garbage)
    with pytest.raises(Corrupt, match="not a database") as caught:
        await SqlStore(file).open()
    assert str(file) in str(caught.value)
    assert "dreamnet restore BACKUP" in str(caught.value)
    assert file.read_bytes() == garbage
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


async def test_a_damaged_page_is_corrupt(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    async with temporary_store(file) as store:
        body = {"text": "x" * 5000}
        for _ in range(3):
            await store.tx(lambda tx: tx.ledger.append("test", "s", body, NOW))
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    store = SqlStore(file)
    with pytest.raises(Corrupt, match="malformed"):
        await open_and_verify(store)
    await store.close()


async def open_and_verify(store: SqlStore) -> None:
    """Meet the damage, wherever it is."""
    await store.open()
    await store.read(lambda tx: tx.ledger.verify())


async def test_missing_tables_are_corrupt(tmp_path: Path) -> None:
    async with temporary_store(tmp_path / "x.db") as store:
        other = sqlite3.connect(tmp_path / "x.db")
        other.execute("DROP TABLE services")
        other.close()
        with pytest.raises(Corrupt, match="no such table"):
            await store.tx(want)


async def test_a_full_disk_undoes_all_and_passes(tmp_path: Path) -> None:
    async with temporary_store(tmp_path / "x.db") as store:
        await store.tx(want)
        limit = "PRAGMA max_page_count"

        def fill(tx: Tx) -> None:
            connection = vars(tx.services)["_connection"]
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"{limit}={pages}")
            try:
                tx.ledger.append("test", "s", {"text": "x" * 500_000}, NOW)
                tx.ledger.tail(1)
            finally:
                connection.exec_driver_sql(f"{limit}=1000000")

        results = await asyncio.gather(
            store.tx(lambda tx: tx.services.want(SHOP, 7, 1)),
            store.tx(lambda tx: tx.services.want(SHOP, 8, 1)),
            store.tx(fill),
            store.tx(lambda tx: tx.services.want(ServiceName("blog"), 9, 1)),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [type(None)] * 2 + [Unavailable, type(None)]
        assert "free space" in str(results[2])
        assert await store.read(lambda tx: tx.services.desired()) == {"shop": 8, "blog": 9}
        assert (await store.read(lambda tx: tx.ledger.verify())).rows == 0


READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.kernel.errors import UserError
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    asyncio.run(SqlStore(Path(sys.argv[1])).open())
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize("closed", ["file", "folder"])
def test_a_file_or_folder_that_may_not_be_written_is_told(tmp_path: Path, closed: str) -> None:
    folder = tmp_path / "data"
    asyncio.run(make(folder / "x.db"))
    (folder / "x.db").chmod(0o444)
    if closed == "folder":
        (folder / "x.db").unlink()
        folder.chmod(0o555)
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(0o755)
    command = [sys.executable, "-c", READ_ONLY, str(folder / "x.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    folder.chmod(0o755)
    assert "mend: let DreamNet's user write this file and its folder" in done.stdout
    assert str(folder / "x.db") in done.stdout


async def make(file: Path) -> None:
    """Make an empty store."""
    async with temporary_store(file):
        pass


def test_a_missing_driver_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r'pip install "dreamnet\[postgres\]"'):
        asyncio.run(SqlStore("postgresql://me@127.0.0.1/x").open())


async def test_a_server_that_is_away_is_unavailable() -> None:
    store = SqlStore("postgresql://me:hunter2@127.0.0.1:1/x")
    with pytest.raises(Unavailable) as caught:
        await store.open()
    assert "hunter2" not in repr(caught.value)


async def test_a_refused_login_or_unknown_database_is_told(postgres_server: PostgresServer) -> None:
    right = postgres_server.url("no_such_database")
    wrong = right.replace(postgres_server.password, "hunter2")
    for url, word in ((right, "does not exist"), (wrong, "authentication failed")):
        with pytest.raises(UserError, match=word) as caught:
            await SqlStore(url).open()
        assert caught.value.complaints[0].mend
        assert "hunter2" not in repr(caught.value)
        assert postgres_server.password not in str(caught.value)


async def test_a_lost_link_before_the_commit_is_tried_again(
    postgres_server: PostgresServer, postgres_database: str
) -> None:
    store = SqlStore(postgres_server.url(postgres_database))
    await store.open()
    runs: list[int] = []

    def work(tx: Tx) -> int:
        runs.append(1)
        tx.services.want(SHOP, len(runs), 1)
        if len(runs) == 1:
            postgres_server.cut_links(postgres_database)
        return tx.ledger.append("test", "s", {}, NOW)

    assert await store.tx(work) == 1
    assert len(runs) == 2
    postgres_server.cut_links(postgres_database)
    assert await store.read(lambda tx: tx.services.desired()) == {"shop": 2}
    await store.close()


async def test_a_commit_whose_answer_was_lost_is_never_repeated(
    postgres_server: PostgresServer, postgres_database: str
) -> None:
    store = SqlStore(postgres_server.url(postgres_database))
    await store.open()
    runs: list[int] = []

    def work(tx: Tx) -> None:
        runs.append(1)
        tx.services.want(SHOP, 1, 1)
        postgres_server.cut_links(postgres_database)

    with pytest.raises(Unavailable, match="unknown"):
        await store.tx(work)
    assert len(runs) == 1
    await store.tx(want)
    await store.close()


async def test_transactions_that_lock_each_other_out_are_tried_again(postgres_url: str) -> None:
    store = SqlStore(postgres_url)
    await store.open()
    names = [ServiceName("a"), ServiceName("b")]
    await store.tx(lambda tx: tx.services.adopt(dict.fromkeys(names, 0)))

    def work(number: int) -> Callable[[Tx], None]:
        def body(tx: Tx) -> None:
            for name in names[:: 1 if number % 2 else -1]:
                tx.services.want(name, number, 0)

        return body

    await asyncio.gather(*(store.tx(work(number)) for number in range(8)))
    wanted = await store.read(lambda tx: tx.services.desired())
    assert wanted["a"] == wanted["b"]
    await store.close()


async def test_a_row_that_somebody_else_holds_is_unavailable(postgres_url: str) -> None:
    store = SqlStore(postgres_url, lock_wait=SHORT)
    await store.open()
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT * FROM ledger_head FOR UPDATE")
        with pytest.raises(Unavailable, match="lock timeout"):
            await store.tx(lambda tx: tx.ledger.append("test", "s", {}, NOW))
    await store.tx(lambda tx: tx.ledger.append("test", "s", {}, NOW))
    await store.close()


async def test_the_memory_store_vanishes() -> None:
    async with memory_store() as store:
        await store.tx(want)
        file = Path(store.place)
        assert file.exists()
    assert not file.parent.exists()
