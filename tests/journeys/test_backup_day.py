"""A backup made in the middle of the day brings the day back, in another folder."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from place import Place, place

from dreamnet.drivers.store.base import Tx
from dreamnet.drivers.store.sql import SqlStore


def _append(tx: Tx) -> int:
    return tx.ledger.append("load", "test", {}, datetime.now(UTC))


@contextmanager
def write_load(database: Path) -> Iterator[list[int]]:
    """Write to the store beside the node, without a pause; yields the acknowledged rows."""
    done, numbers = threading.Event(), list[int]()

    async def write() -> None:
        store = SqlStore(database)
        await store.open()
        while not done.is_set():
            numbers.append(await store.tx(_append))
        await store.close()

    writer = threading.Thread(target=lambda: asyncio.run(write()))
    writer.start()
    try:
        yield numbers
    finally:
        done.set()
        writer.join()


def test_a_day_comes_back_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    file = tmp_path / "backup.zip"
    with place(tmp_path / "old") as old:
        old.up()
        assert old.dreamnet("scale", "shop", "3").returncode == 0
        os.kill(old.pids()["shop/1"], signal.SIGKILL)
        old.until(lambda: old.resolved("shop/1") and len(old.serving()) == 3)
        with write_load(old.data / "dreamnet.db") as numbers:
            old.until(lambda: len(numbers) > 20)
            before = numbers[-1]
            made = old.json("backup", str(file))
            old.until(lambda: numbers[-1] > before + 20)
        head = made["manifest"]["ledger_head"]
        assert head["seq"] >= before
        assert head["seq"] < numbers[-1]
        dreams = old.json("dreams")["dreams"]
        refused = old.dreamnet("restore", str(file), "--force")
        assert refused.returncode == 1
        assert "DreamNet runs here" in refused.stderr

    (tmp_path / "new").mkdir()
    shutil.copytree(tmp_path / "old" / "shop", tmp_path / "new" / "shop")
    new = Place(tmp_path / "new", old.api, old.gateway)
    assert new.json("restore", str(file))["settings_written"] is True
    try:
        new.up()
        assert len(new.serving()) == 3, "what was asked for is remembered"
        assert new.get() == 200
        known = {one["id"]: one["phase"] for one in new.json("dreams")["dreams"]}
        assert {one["id"]: one["phase"] for one in dreams}.items() <= known.items()
        assert new.json("ledger", "verify")["broken_at"] is None
        rows = map(json.loads, new.dreamnet("events", "-n", "1000", "--json").stdout.splitlines())
        assert {row["seq"]: row["hash"] for row in rows}[head["seq"]] == head["hash"]
    finally:
        new.dreamnet("down")
    new.until(lambda: not new.processes(), limit=15)
