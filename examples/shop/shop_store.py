"""The shop's SQLite database: readers never wait for a writer, a writer waits only so long."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from shop_orders import Line

READERS = 4
# A write that has not begun by then is refused, so that nobody waits behind a locked database.
WRITE_LIMIT_S = 1.5
MOST_WAITING_WRITES = 64
START_LIMIT_S = 5.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS products (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL CHECK (price_cents > 0)
);
CREATE TABLE IF NOT EXISTS carts (id TEXT PRIMARY KEY, lines TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, lines TEXT NOT NULL, total_cents INTEGER NOT NULL,
    idempotency_key TEXT UNIQUE, request_hash TEXT NOT NULL
);
"""
GOODS = [
    (1, "Lantern", 2450),
    (2, "Notebook", 690),
    (3, "Teapot", 3200),
    (4, "Blanket", 4900),
    (5, "Night light", 1575),
]

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]


class Busy(Exception):
    """The database could not be written in time; the same request may succeed later."""


class KeyReused(Exception):
    """The Idempotency-Key belongs to an order with other lines."""


class NotInStock(Exception):
    """A line names a product that the shop does not have."""


class Store:
    """The database while the `async with` block lasts; every method runs in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, "shop-read")
        self._writer = ThreadPoolExecutor(1, "shop-write")
        self._waiting_writes = 0

    async def __aenter__(self) -> Self:
        """Create what is missing; a database that is complete is not written to."""
        await self._in_thread(self._writer, self._prepare)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what runs, then close."""
        for pool in (self._writer, self._readers):
            await asyncio.to_thread(pool.shutdown)
        for connection in self._opened:
            connection.close()

    async def products(self) -> list[dict[str, Any]]:
        """Everything on sale, by id."""
        return await self._read(
            lambda connection: [
                dict(row) for row in connection.execute("SELECT * FROM products ORDER BY id")
            ]
        )

    async def product(self, number: int) -> dict[str, Any] | None:
        """One product, or None."""
        if number >= 2**63:  # more than SQLite can hold
            return None
        query = "SELECT * FROM products WHERE id = ?"
        row = await self._read(lambda connection: connection.execute(query, [number]).fetchone())
        return None if row is None else dict(row)

    async def cart(self, cart_id: str) -> list[dict[str, int]]:
        """The lines of a cart; none if it is unknown."""
        query = "SELECT lines FROM carts WHERE id = ?"
        row = await self._read(lambda connection: connection.execute(query, [cart_id]).fetchone())
        return [] if row is None else json.loads(row["lines"])

    async def fill_cart(self, cart_id: str, lines: Sequence[Line]) -> None:
        """Replace a cart's lines; NotInStock, Busy."""

        def work(connection: sqlite3.Connection) -> None:
            _total(connection, lines)
            statement = "INSERT OR REPLACE INTO carts (id, lines) VALUES (?, ?)"
            connection.execute(statement, [cart_id, _as_text(lines)])

        await self._write(work)

    async def order(self, order_id: str) -> dict[str, Any] | None:
        """One order, or None."""
        query = "SELECT * FROM orders WHERE id = ?"
        row = await self._read(lambda connection: connection.execute(query, [order_id]).fetchone())
        return None if row is None else _as_order(row)

    async def place_order(
        self, lines: Sequence[Line], key: str | None
    ) -> tuple[dict[str, Any], bool]:
        """The order, and whether it is new; KeyReused, NotInStock, Busy."""
        return await self._write(lambda connection: _place(connection, lines, key))

    async def _read(self, work: Work[Result]) -> Result:
        return await self._in_thread(self._readers, lambda: work(self._connection()))

    async def _write(self, work: Work[Result]) -> Result:
        if self._waiting_writes >= MOST_WAITING_WRITES:
            raise Busy("too many orders are waiting for the database; try again")
        deadline = time.monotonic() + WRITE_LIMIT_S
        self._waiting_writes += 1
        try:
            return await self._in_thread(self._writer, lambda: self._transact(work, deadline))
        finally:
            self._waiting_writes -= 1

    async def _in_thread(self, pool: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def _transact(self, work: Work[Result], deadline: float) -> Result:
        connection = self._connection()
        left_ms = int((deadline - time.monotonic()) * 1000)
        if left_ms <= 0:
            raise Busy("the database was locked by others for too long; try again")
        connection.execute(f"PRAGMA busy_timeout = {left_ms}")
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise Busy(f"the database cannot be written now: {error}") from error
        with connection:  # commits, or rolls back on an error
            return work(connection)

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self._path, timeout=START_LIMIT_S, isolation_level=None, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = connection
            self._opened.append(connection)
        return connection

    def _prepare(self) -> None:
        """Create the database; while another replica does, wait for it."""
        deadline = time.monotonic() + START_LIMIT_S
        while not _is_complete(self._connection()):
            try:
                _create(self._connection())
            except sqlite3.OperationalError:
                # SQLite does not wait for a lock when it changes the journal mode.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _is_complete(connection: sqlite3.Connection) -> bool:
    """True if an earlier start made everything: it was one transaction, so all or nothing."""
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'orders'"
    return bool(connection.execute(query).fetchone()[0])


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.executemany("INSERT OR IGNORE INTO products VALUES (?, ?, ?)", GOODS)


def _place(
    connection: sqlite3.Connection, lines: Sequence[Line], key: str | None
) -> tuple[dict[str, Any], bool]:
    text = _as_text(lines)
    request_hash = hashlib.sha256(text.encode()).hexdigest()
    query = "SELECT * FROM orders WHERE idempotency_key = ?"
    row = connection.execute(query, [key]).fetchone() if key is not None else None
    if row is not None:
        if row["request_hash"] != request_hash:
            raise KeyReused("this Idempotency-Key was used for an order with other lines")
        return _as_order(row), False
    values = [uuid.uuid4().hex, text, _total(connection, lines), key, request_hash]
    row = connection.execute(
        "INSERT INTO orders (id, lines, total_cents, idempotency_key, request_hash)"
        " VALUES (?, ?, ?, ?, ?) RETURNING *",
        values,
    ).fetchone()
    return _as_order(row), True


def _total(connection: sqlite3.Connection, lines: Sequence[Line]) -> int:
    prices = dict(connection.execute("SELECT id, price_cents FROM products").fetchall())
    missing = [line.product for line in lines if line.product not in prices]
    if missing:
        raise NotInStock(f"the shop has no product {missing[0]}; GET /products lists them")
    return sum(prices[line.product] * line.quantity for line in lines)


def _as_text(lines: Sequence[Line]) -> str:
    return json.dumps([line.to_json() for line in lines])


def _as_order(row: sqlite3.Row) -> dict[str, Any]:
    lines = json.loads(row["lines"])
    return {"id": row["id"], "lines": lines, "total_cents": row["total_cents"]}
