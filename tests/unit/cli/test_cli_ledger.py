"""`dreamnet ledger verify` reads the store itself, with a node or without, and changes nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dreamnet.drivers.store.sql import SqlStore

Run = Callable[..., Any]
_NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dreamnet.toml").write_text('[services.shop]\nrun = "python3 shop.py"\n')
    return tmp_path


def _fill(database: Path, rows: int) -> None:
    async def fill() -> None:
        store = SqlStore(database)
        await store.open()
        for number in range(rows):
            await store.tx(lambda tx, n=number: tx.ledger.append("k", "s", {"n": n}, _NOW))
        await store.close()

    asyncio.run(fill())


def test_a_whole_ledger_is_0(folder: Path, run: Run) -> None:
    _fill(folder / ".dreamnet" / "dreamnet.db", 3)
    said = run("ledger", "verify", "--json")
    assert said.code == 0
    assert (said.json["ok"], said.json["rows"], said.json["broken_at"]) == (True, 3, None)
    assert run("ledger", "verify").out.startswith("whole: 3 rows")


def test_the_newest_row_is_shown_to_be_kept_elsewhere(folder: Path, run: Run) -> None:
    database = folder / ".dreamnet" / "dreamnet.db"
    _fill(database, 0)
    assert run("ledger", "verify", "--json").json["head"] is None
    assert len(run("ledger", "verify").out.splitlines()) == 1
    _fill(database, 3)
    with sqlite3.connect(database) as connection:
        [newest] = connection.execute("SELECT hash FROM ledger WHERE seq = 3").fetchone()
    connection.close()
    assert run("ledger", "verify", "--json").json["head"] == {"seq": 3, "hash": newest}
    assert run("ledger", "verify").out.splitlines()[1] == f"newest row: 3  {newest}"


def test_a_changed_row_is_1(folder: Path, run: Run) -> None:
    database = folder / ".dreamnet" / "dreamnet.db"
    _fill(database, 3)
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE ledger SET subject = 'other' WHERE seq = 2")
    connection.close()
    said = run("ledger", "verify", "--json")
    assert (said.code, said.json["broken_at"], said.json["head"]) == (1, 2, None)
    assert "BROKEN at row 2" in run("ledger", "verify").out


def test_no_store_is_told_and_not_made(folder: Path, run: Run) -> None:
    said = run("ledger", "verify")
    assert said.code == 2
    assert "no store yet" in said.err
    assert not (folder / ".dreamnet").exists()


def test_somebody_elses_file_is_left_alone(folder: Path, run: Run) -> None:
    database = folder / ".dreamnet" / "dreamnet.db"
    database.parent.mkdir()
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE other (a)")
    connection.close()
    said = run("ledger", "verify")
    assert said.code == 2
    assert "no store of DreamNet" in said.err


def test_it_works_beside_an_open_transaction(folder: Path, run: Run) -> None:
    database = folder / ".dreamnet" / "dreamnet.db"
    _fill(database, 2)
    writer = sqlite3.connect(database, isolation_level=None)
    try:
        writer.execute("BEGIN IMMEDIATE")
        assert run("ledger", "verify").code == 0
    finally:
        writer.close()


def test_a_damaged_file_is_1_and_kept(folder: Path, run: Run) -> None:
    database = folder / ".dreamnet" / "dreamnet.db"
    database.parent.mkdir()
    database.write_bytes(b"not a database, but long enough to be read as one" * 100)
    before = database.read_bytes()
    said = run("ledger", "verify")
    assert said.code == 1
    assert "damaged" in said.err
    assert database.read_bytes() == before


def test_wrong_settings_are_2(folder: Path, run: Run) -> None:
    (folder / "dreamnet.toml").write_text("[nodes]\n")
    assert run("ledger", "verify").code == 2
