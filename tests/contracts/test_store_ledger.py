"""The ledger's contract on SQLite and PostgreSQL: every change to what was written is found."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from dreamnet.drivers.store.base import LedgerCheck, LedgerHead, Tx
from dreamnet.drivers.store.place import place_of
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.kernel.errors import Corrupt
from tests.contracts.storing import NOW, SECOND, place, store
from tests.postgres import postgres_database, postgres_server, postgres_url

__all__ = ["place", "postgres_database", "postgres_server", "postgres_url", "store"]


def harm(where: str | Path, *statements: str) -> None:
    """Change the database behind the store's back."""
    engine = create_engine(place_of(where).url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


async def fill(store: SqlStore, count: int) -> None:
    """Append rows, two to a transaction, one second apart."""
    for number in range(0, count, 2):

        def work(tx: Tx, first: int = number) -> None:
            for row in (first, first + 1):
                tx.ledger.append("test", f"s{row}", {"row": row}, NOW + row * SECOND)

        await store.tx(work)


async def check(store: SqlStore) -> LedgerCheck:
    """Verify in a read transaction, and see that a writer says the same."""
    seen = await store.read(lambda tx: tx.ledger.verify())
    assert await store.tx(lambda tx: tx.ledger.verify()) == seen
    return seen


async def whole(store: SqlStore) -> int:
    """Return how many rows the chain has, which is whole."""
    found = await check(store)
    assert found.broken_at is None, found
    return found.rows


async def test_rows_are_numbered_chained_and_read_back(store: SqlStore) -> None:
    body = {"b": [1, 2.5, None, True], "a": {"z": "ä\0\ud800", "1": 1e22}, "": ""}

    def work(tx: Tx) -> list[int]:
        return [tx.ledger.append("kind", "su\0bject", body, NOW) for _ in range(3)]

    assert await store.tx(work) == [1, 2, 3]
    rows = await store.read(lambda tx: tx.ledger.tail(9))
    assert [row.seq for row in rows] == [1, 2, 3]
    assert [row.prev for row in rows[1:]] == [row.hash for row in rows[:-1]]
    assert (rows[0].at, rows[0].body, rows[0].subject) == (NOW, body, "su\ufffdbject")
    assert await whole(store) == 3


async def test_a_writer_reads_its_own_rows(store: SqlStore) -> None:
    def work(tx: Tx) -> tuple[int, int]:
        tx.ledger.append("test", "one", {}, NOW)
        seen = len(tx.ledger.tail(9))
        tx.ledger.append("test", "two", {}, NOW)
        return seen, tx.ledger.verify().rows

    assert await store.tx(work) == (1, 2)


async def test_the_tail_pages(store: SqlStore) -> None:
    await fill(store, 10)
    last = await store.read(lambda tx: tx.ledger.tail(3))
    assert [row.seq for row in last] == [8, 9, 10]
    page = await store.read(lambda tx: tx.ledger.tail(3, after=4))
    assert [row.seq for row in page] == [5, 6, 7]
    assert await store.read(lambda tx: tx.ledger.tail(3, after=10)) == []


async def test_a_body_that_is_no_json_is_refused(store: SqlStore) -> None:
    with pytest.raises(ValueError, match="JSON"):
        await store.tx(lambda tx: tx.ledger.append("test", "s", {"x": float("nan")}, NOW))
    with pytest.raises(TypeError):
        await store.tx(lambda tx: tx.ledger.append("test", "s", {"x": object()}, NOW))
    assert await whole(store) == 0


async def test_many_writers_make_one_chain(store: SqlStore) -> None:
    def work(tx: Tx) -> int:
        tx.ledger.append("test", "s", {}, NOW)
        return tx.ledger.append("test", "s", {}, NOW)

    numbers = await asyncio.gather(*(store.tx(work) for _ in range(60)))
    assert sorted(numbers) == list(range(2, 121, 2))
    assert await whole(store) == 120


async def test_pruning_leaves_a_chain_that_verifies(store: SqlStore) -> None:
    await fill(store, 10)
    assert await store.tx(lambda tx: tx.ledger.prune(NOW)) == 0
    assert await store.tx(lambda tx: tx.ledger.prune(NOW + 4 * SECOND)) == 4
    assert await store.tx(lambda tx: tx.ledger.prune(NOW + 4 * SECOND)) == 0
    assert await whole(store) == 6
    assert [row.seq for row in await store.read(lambda tx: tx.ledger.tail(2))] == [9, 10]
    assert await store.tx(lambda tx: tx.ledger.prune(NOW + 99 * SECOND)) == 6
    assert await whole(store) == 0
    assert await store.tx(lambda tx: tx.ledger.append("test", "s", {}, NOW)) == 11
    assert await whole(store) == 1


async def test_a_whole_chain_names_its_newest_row(store: SqlStore, place: str | Path) -> None:
    assert (await check(store)).head is None
    await fill(store, 4)
    [last] = await store.read(lambda tx: tx.ledger.tail(1))
    assert (await check(store)).head == LedgerHead(4, last.hash)
    await store.tx(lambda tx: tx.ledger.prune(NOW + 99 * SECOND))
    assert (await check(store)).head == LedgerHead(4, last.hash), "pruned, and still known"
    harm(place, "UPDATE ledger_head SET hash = 'x'")
    assert (await check(store)).head is None


async def test_pruning_in_the_transaction_that_appends(store: SqlStore) -> None:
    await fill(store, 4)

    def work(tx: Tx) -> int:
        pruned = tx.ledger.prune(NOW + 2 * SECOND)
        tx.ledger.append("ledger-pruned", "ledger", {"rows": pruned}, NOW + 9 * SECOND)
        return pruned

    assert await store.tx(work) == 2
    assert await whole(store) == 3


DAMAGES = {
    "the body of row 5": ("UPDATE ledger SET body = '{}' WHERE seq = 5", 5),
    "spaces in the body of row 5": ("UPDATE ledger SET body = body || ' ' WHERE seq = 5", 5),
    "the time of row 5": ("UPDATE ledger SET at = at + 1 WHERE seq = 5", 5),
    "the kind of row 5": ("UPDATE ledger SET kind = 'x' WHERE seq = 5", 5),
    "the subject of row 5": ("UPDATE ledger SET subject = 'x' WHERE seq = 5", 5),
    "the hash of row 5": ("UPDATE ledger SET hash = 'x' WHERE seq = 5", 5),
    "the link of row 5": ("UPDATE ledger SET prev = 'x' WHERE seq = 5", 5),
    "row 5 gone": ("DELETE FROM ledger WHERE seq = 5", 5),
    "the first rows gone": ("DELETE FROM ledger WHERE seq < 4", 1),
    "the last row gone": ("DELETE FROM ledger WHERE seq = 10", 10),
    "the last rows gone": ("DELETE FROM ledger WHERE seq > 6", 7),
    "all rows gone": ("DELETE FROM ledger", 1),
    "the head set back": ("UPDATE ledger_head SET seq = 9", 10),
    "the head's hash": ("UPDATE ledger_head SET hash = 'x'", 10),
    "the head gone": ("DELETE FROM ledger_head", 0),
    "the anchor moved": ("UPDATE ledger_head SET anchor_seq = 3", 1),
    "the anchor's hash": ("UPDATE ledger_head SET anchor_hash = 'x'", 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_is_found(store: SqlStore, place: str | Path, damage: str) -> None:
    await fill(store, 10)
    statement, broken_at = DAMAGES[damage]
    harm(place, statement)
    found = await store.read(lambda tx: tx.ledger.verify())
    assert (found.broken_at, bool(found.why)) == (broken_at, True), found


async def test_reordering_is_found(store: SqlStore, place: str | Path) -> None:
    await fill(store, 10)
    moves = [(4, 99), (5, 4), (99, 5)]
    harm(place, *(f"UPDATE ledger SET seq = {new} WHERE seq = {old}" for old, new in moves))
    assert (await check(store)).broken_at == 4


async def test_without_a_head_nothing_is_appended(store: SqlStore, place: str | Path) -> None:
    harm(place, "DELETE FROM ledger_head")
    with pytest.raises(Corrupt, match="head is gone"):
        await store.tx(lambda tx: tx.ledger.append("test", "s", {}, NOW))
