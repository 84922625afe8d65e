"""The guard before the store: limits on waiting, and trouble that is known without asking."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from dreamnet.drivers.store.base import Tx
from dreamnet.drivers.store.guarded import LINGER, GuardedStore, Limits
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.errors import Unavailable, UserError
from dreamnet.model.services import ServiceName
from tests.faultfs import locked

SHOP = ServiceName("shop")


def want(tx: Tx) -> None:
    tx.services.want(SHOP, 1, 1)


async def test_who_waits_too_long_is_told_and_what_comes_late_is_not_done(tmp_path: Path) -> None:
    store = GuardedStore(SqlStore(tmp_path / "x.db"), SystemClock(), Limits(0.3, 0.3))
    await store.open()
    with locked(tmp_path / "x.db"):
        with pytest.raises(Unavailable, match=r"has not answered within 0\.3 s"):
            await store.tx(want)
        with pytest.raises(Unavailable):
            await store.tx(want)
        known = store.trouble()
        assert known is not None
        assert not known.lasts
        assert await store.read(lambda tx: tx.services.desired()) == {}, "reads go on"
    await asyncio.wait_for(_until_well(store), 20)
    assert await store.read(lambda tx: tx.services.desired()) == {}, "nobody waited any more"
    await store.tx(want)
    await store.close()


async def _until_well(store: GuardedStore) -> None:
    began = time.monotonic()
    while store.trouble() is not None:
        await store.tx(lambda _: None)
        await asyncio.sleep(0.05)
    assert time.monotonic() - began > LINGER.total_seconds() / 2


async def test_a_slow_read_is_ended(tmp_path: Path) -> None:
    store = GuardedStore(SqlStore(tmp_path / "x.db"), SystemClock(), Limits(5, 0.2))
    await store.open()
    with pytest.raises(Unavailable, match=r"within 0\.2 s"):
        await store.read(lambda _: time.sleep(0.5))
    assert store.trouble() is not None
    await store.read(lambda tx: tx.services.desired())
    assert store.trouble() is None
    await store.close()


async def test_a_store_that_never_opened_says_why_to_whoever_reads() -> None:
    store = GuardedStore(SqlStore("postgresql://me@127.0.0.1:1/x"), SystemClock())
    with pytest.raises(Unavailable):
        await store.open()
    with pytest.raises(Unavailable, match="bring the database back"):
        await store.read(lambda tx: tx.services.desired())
    await store.close()


async def test_an_error_of_the_work_is_no_trouble(tmp_path: Path) -> None:
    def refuse(_: Tx) -> None:
        raise UserError.of("no")

    store = GuardedStore(SqlStore(tmp_path / "x.db"), SystemClock())
    await store.open()
    with pytest.raises(UserError):
        await store.tx(refuse)
    assert store.trouble() is None
    await store.close()
