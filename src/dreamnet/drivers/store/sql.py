"""The store on SQLite or PostgreSQL: synchronous SQL in threads, one hop per transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dreamnet.drivers.store.base import Tx
from dreamnet.drivers.store.engines import for_reading, postgres_engine, sqlite_engine
from dreamnet.drivers.store.faults import at_opening, translated
from dreamnet.drivers.store.holder import Holder
from dreamnet.drivers.store.jobs import Job, run_alone, run_group
from dreamnet.drivers.store.migrations import HEAD
from dreamnet.drivers.store.place import Place, place_of, prepare_file
from dreamnet.drivers.store.retries import run_retried, with_retries
from dreamnet.drivers.store.schema import bring_to_head, present_revision
from dreamnet.drivers.store.soundness import check_sound
from dreamnet.drivers.store.transaction import SqlTx
from dreamnet.kernel.errors import Unavailable

T = TypeVar("T")

_LOCK_WAIT = timedelta(seconds=30)
_GROUP_LIMIT = 128
_SQLITE_READERS = 2
_POSTGRES_WRITERS = 8
_POSTGRES_READERS = 4


class SqlStore:
    """A store at a path (SQLite) or URL (`sqlite:///...`, `postgresql://...`).

    `took` hears the seconds of each write, waiting included. `lock_wait` is how long a transaction
    waits for others before it is `Unavailable`. With `owner`, a node's name, a PostgreSQL database
    is that node's alone (see `holder`). On SQLite transactions run one after another in one thread,
    and those that queue meanwhile share a commit; on PostgreSQL eight run at once, each on its own.
    Reads have threads and connections of their own, so they never wait behind writers.
    """

    def __init__(
        self,
        where: str | Path,
        *,
        lock_wait: timedelta = _LOCK_WAIT,
        took: Callable[[float], None] | None = None,
        owner: str = "",
    ) -> None:
        self._owner = owner
        self._place = place_of(where)
        self._took = took
        self._lock_wait = lock_wait
        self._link: _Link | None = None
        self._queue: deque[Job] = deque()
        self._flying: set[asyncio.Future[None]] = set()

    @property
    def place(self) -> str:
        """Return where the store is, in words that hold no password."""
        return self._place.shown

    async def open(self) -> None:
        """Connect and bring the schema to head; a second call does nothing.

        `UserError` when it cannot be written, is newer than this DreamNet or somebody else's;
        `Corrupt` when the file is damaged; `Unavailable` when the database is away.
        """
        if self._link is not None:
            return
        link = await asyncio.to_thread(_connect, self._place, self._lock_wait, self._owner)
        try:
            await asyncio.get_running_loop().run_in_executor(link.writers, link.migrate)
        except BaseException:
            await asyncio.to_thread(link.close)
            raise
        self._link = link

    async def tx(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in one write transaction; when this returns, it is on disk.

        `work` runs in a thread, may run again after a conflict, and must not catch the errors of
        the drawers. A caller that is cancelled leaves the outcome unknown.
        """
        link = self._opened()
        loop = asyncio.get_running_loop()
        began = loop.time()
        job = Job(work, loop.create_future())
        if link.is_grouping:
            self._queue.append(job)
            self._start_group(link)
        else:
            self._fly(link, [job])
        result = await job.future
        if self._took is not None:
            self._took(loop.time() - began)
        return result

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on one snapshot of the store; it cannot write."""
        link = self._opened()
        return await asyncio.get_running_loop().run_in_executor(link.readers, link.read, work)

    async def at_head(self) -> tuple[str, str]:
        """Return the schema's present and newest revision."""
        link = self._opened()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(link.readers, link.revision), HEAD

    async def close(self) -> None:
        """Finish what was begun, then end every connection; a second call does nothing."""
        link, self._link = self._link, None
        if link is None:
            return
        while self._flying or self._queue:
            if not self._flying:
                self._start_group(link)
            await asyncio.wait(self._flying)
            await asyncio.sleep(0)  # the settling runs as a callback of what was awaited
        await asyncio.to_thread(link.close)

    def _opened(self) -> _Link:
        if self._link is None:
            raise Unavailable(f"{self._place.shown}: the store is not open")
        return self._link

    def _start_group(self, link: _Link) -> None:
        """Start a group of what waits, unless one is on its way: its end starts the next."""
        jobs: list[Job] = []
        while self._queue and not self._flying and len(jobs) < _GROUP_LIMIT:
            job = self._queue.popleft()
            if not job.future.cancelled():
                jobs.append(job)
        if jobs:
            self._fly(link, jobs)

    def _fly(self, link: _Link, jobs: list[Job]) -> None:
        flight = asyncio.get_running_loop().run_in_executor(link.writers, link.write, jobs)
        self._flying.add(flight)

        def land(done: asyncio.Future[None]) -> None:
            self._flying.discard(done)
            if link.is_grouping:
                self._start_group(link)
            lost = None if done.cancelled() else done.exception()
            for job in jobs:
                if lost is not None:
                    job.fail(lost)
                job.settle()

        flight.add_done_callback(land)


class _Link:
    """Engines and threads of an open store; its methods run in those threads."""

    def __init__(self, place: Place, writing: Engine, reading: Engine, owner: str) -> None:
        self._place = place
        self._writing = writing
        self._reading = reading
        self.is_grouping = place.file is not None
        self._holder = Holder(owner) if owner and not self.is_grouping else None
        writers = 1 if self.is_grouping else _POSTGRES_WRITERS
        readers = _SQLITE_READERS if self.is_grouping else _POSTGRES_READERS
        self.writers = ThreadPoolExecutor(writers, thread_name_prefix="store-write")
        self.readers = ThreadPoolExecutor(readers, thread_name_prefix="store-read")

    def migrate(self) -> None:
        """Bring the schema to head."""
        try:
            with_retries(self._migrate_once)
        except Exception as error:
            raise at_opening(_known(error, self._place)) from error

    def _migrate_once(self) -> None:
        with self._writing.connect() as connection, connection.begin():
            bring_to_head(connection, self._place)
            if self._holder is not None:
                self._holder.take(connection)

    def write(self, jobs: list[Job]) -> None:
        """Run jobs to their outcomes."""
        if len(jobs) > 1:
            run_group(self._writing, jobs)
        elif self.is_grouping:
            run_alone(self._writing, jobs[0])
        else:
            run_retried(self._writing, jobs[0], self._holder)
        for job in jobs:
            if job.error is not None:
                job.error = _known(job.error, self._place)

    def read(self, work: Callable[[Tx], T]) -> T:
        """Run work in a read transaction."""
        try:
            return with_retries(lambda: self._read_once(work))
        except Exception as error:
            raise _known(error, self._place, reading=True) from error

    def _read_once(self, work: Callable[[Tx], T]) -> T:
        with self._reading.connect() as connection, connection.begin():
            tx = SqlTx(connection, writing=False)
            result = work(tx)
            tx.finish()
            return result

    def revision(self) -> str:
        """Return the schema's present revision."""
        try:
            with self._reading.connect() as connection, connection.begin():
                return present_revision(connection)
        except Exception as error:
            raise _known(error, self._place, reading=True) from error

    def close(self) -> None:
        """End threads and connections."""
        self.readers.shutdown()
        self.writers.shutdown()
        if self._holder is not None:
            with contextlib.suppress(SQLAlchemyError), self._writing.begin() as connection:
                self._holder.release(connection)
        self._reading.dispose()
        self._writing.dispose()


def _known(error: BaseException, place: Place, *, reading: bool = False) -> BaseException:
    """Return our error with the vendor's as its cause, or the error itself when it is none."""
    ours = translated(error, place, reading=reading)
    if ours is not error:
        ours.__cause__ = error
    return ours


def _connect(place: Place, lock_wait: timedelta, owner: str) -> _Link:
    if place.file is not None:
        prepare_file(place.file)
        check_sound(place.file)
        writing = sqlite_engine(place, lock_wait, writing=True, size=1)
        reading = sqlite_engine(place, lock_wait, writing=False, size=_SQLITE_READERS)
        return _Link(place, writing, reading, owner)
    writing = postgres_engine(place, lock_wait, size=_POSTGRES_WRITERS)
    reading = postgres_engine(place, lock_wait, size=_POSTGRES_READERS)
    return _Link(place, writing, for_reading(reading), owner)
