"""Real stores for tests: SQLite files that vanish, so that no fake has to be believed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from dreamnet.drivers.store.sql import SqlStore

_MEMORY = Path("/dev/shm")  # noqa: S108  (a folder of our own is made in it)
_FOLDER = _MEMORY if _MEMORY.is_dir() else None


@asynccontextmanager
async def temporary_store(path: Path) -> AsyncGenerator[SqlStore]:
    """Yield an opened store on the SQLite file `path`, closed at the end; the file stays."""
    store = SqlStore(path)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def memory_store() -> AsyncGenerator[SqlStore]:
    """Yield an opened, empty store that vanishes at the end; in memory where the system can."""
    with TemporaryDirectory(prefix="dreamnet-store-", dir=_FOLDER) as place:
        async with temporary_store(Path(place) / "dreamnet.db") as store:
            yield store
