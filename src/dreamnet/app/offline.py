"""The store without a node: read only, beside a running node or where none runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine

from dreamnet.app.assembly import data_dir_of
from dreamnet.drivers.store.base import LedgerHead, Tx
from dreamnet.drivers.store.engines import for_reading, postgres_engine, sqlite_engine
from dreamnet.drivers.store.faults import at_opening, translated
from dreamnet.drivers.store.migrations import HEAD
from dreamnet.drivers.store.place import Place, place_of
from dreamnet.drivers.store.schema import present_revision
from dreamnet.drivers.store.transaction import SqlTx
from dreamnet.kernel.errors import NotFound, UserError
from dreamnet.model.settings import load_settings

T = TypeVar("T")

_LOCK_WAIT = timedelta(seconds=10)


class OfflineStore:
    """Reads a store that is there; makes, migrates and changes nothing."""

    def __init__(self, place: Place, engine: Engine) -> None:
        self._place = place
        self._engine = engine

    @property
    def place(self) -> str:
        """Return where the store is, in words that hold no password."""
        return self._place.shown

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on one snapshot; `Corrupt` or `Unavailable` when it cannot be read."""
        return await asyncio.to_thread(self._read, work)

    def _read(self, work: Callable[[Tx], T]) -> T:
        try:
            with self._engine.connect() as connection, connection.begin():
                self._check(present_revision(connection))
                return work(SqlTx(connection, writing=False))
        except Exception as error:
            ours = at_opening(translated(error, self._place, reading=True))
            if ours is error:
                raise
            raise ours from error

    def _check(self, revision: str) -> None:
        if not revision:
            raise NotFound.of(
                "this is no store of DreamNet", where=self.place, mend="start once: dreamnet up"
            )
        if revision != HEAD:
            raise UserError.of(
                f'the store has schema "{revision}", this DreamNet reads "{HEAD}"',
                where=self.place,
                mend="use the DreamNet that wrote it, or update the store with: dreamnet up",
            )

    def close(self) -> None:
        """End every connection."""
        self._engine.dispose()


def open_offline(file: Path) -> OfflineStore:
    """Return the store that a settings file names, for reading.

    `ConfigError` when the settings are wrong, `NotFound` when there is no store yet.
    """
    settings = load_settings(file)
    url = settings.node.store.get_secret_value()
    place = place_of(url or data_dir_of(settings, file).database)
    if place.file is None:
        return OfflineStore(place, for_reading(postgres_engine(place, _LOCK_WAIT, size=1)))
    if not place.file.exists():  # connecting would make one
        raise NotFound.of("there is no store yet", where=place.shown, mend="start: dreamnet up")
    return OfflineStore(place, sqlite_engine(place, _LOCK_WAIT, writing=False, size=1))


@dataclass(frozen=True)
class Proof:
    """What a verification found; `broken_at` is the first row that breaks the chain.

    `head` is the newest row of a whole chain; None when there is none.
    """

    place: str
    rows: int
    broken_at: int | None
    why: str = ""
    head: LedgerHead | None = None


async def verify_ledger(file: Path) -> Proof:
    """Recompute the ledger's chain of hashes; errors as `open_offline` and `read` raise them."""
    store = await asyncio.to_thread(open_offline, file)
    try:
        check = await store.read(lambda tx: tx.ledger.verify())
    finally:
        store.close()
    return Proof(store.place, check.rows, check.broken_at, check.why, check.head)
