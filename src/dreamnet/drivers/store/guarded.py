"""The store as a node uses it: nobody waits without end, and its trouble is known at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from dreamnet.drivers.store.base import Store, Trouble, Tx
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.errors import Corrupt, DreamNetError, Transient, Unavailable
from dreamnet.kernel.log import logger

T = TypeVar("T")

# What was in trouble a moment ago is not called well by one success: a transaction that wrote
# nothing passes on a full disk, too.
LINGER = timedelta(seconds=3)
WRITE_LIMIT_S = 12.0  # two waits for a lock: that of the group before, and one's own
READ_LIMIT_S = 4.0

log = logger("store")


@dataclass(frozen=True)
class Limits:
    """How long a write and a read may take, in seconds."""

    write_s: float = WRITE_LIMIT_S
    read_s: float = READ_LIMIT_S


class GuardedStore:
    """A store with limits on waiting; once it is known as damaged, nothing is written any more.

    Past its limit a call is `Unavailable`, and whether a write holds is unknown.
    """

    def __init__(self, inner: Store, clock: Clock, limits: Limits | None = None) -> None:
        self._inner = inner
        self._clock = clock
        self._limits = limits or Limits()
        self._damage: Corrupt | None = None
        self._of_writing: Trouble | None = None
        self._of_reading: Trouble | None = None
        self._failed_at = clock.now()
        self._is_open = False

    def trouble(self) -> Trouble | None:
        """Return what is wrong with the store, as the last uses of it told; None when it is well.

        Memory only: it answers while the store does not.
        """
        return self._of_writing or self._of_reading

    async def open(self) -> None:
        """Open it; what goes wrong is told by `trouble`, too."""
        try:
            await self._inner.open()
        except (Transient, Corrupt) as error:
            self._note_writing(error)
            raise
        self._is_open = True

    async def tx(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in one write transaction."""
        if self._damage is not None:
            raise self._damage.with_traceback(None)
        try:
            result = await self._within(self._limits.write_s, self._inner.tx(work))
        except (Transient, Corrupt) as error:
            self._note_writing(error)
            raise
        self._note_well()
        return result

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on one snapshot."""
        return await self._reading(self._inner.read(work))

    async def at_head(self) -> tuple[str, str]:
        """Return the schema's present and newest revision."""
        return await self._reading(self._inner.at_head())

    async def close(self) -> None:
        """End every connection."""
        await self._inner.close()

    async def _reading(self, result: Coroutine[Any, Any, T]) -> T:
        known = self._of_writing
        if not self._is_open and known is not None:
            result.close()
            raise Unavailable(known.words)
        try:
            read = await self._within(self._limits.read_s, result)
        except Corrupt as error:
            self._note_writing(error)
            raise
        except Transient as error:
            self._of_reading = self._noted(self._of_reading, error)
            raise
        self._of_reading = None
        return read

    async def _within(self, limit_s: float, result: Awaitable[T]) -> T:
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                return await result
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Unavailable(f"the store has not answered within {limit_s:g} s") from error

    def _note_writing(self, error: DreamNetError) -> None:
        if isinstance(error, Corrupt) and self._damage is None:
            self._damage = error
            log.error("the store is damaged: nothing is written any more", error=str(error))
        self._of_writing = self._noted(self._of_writing, error)

    def _noted(self, before: Trouble | None, error: DreamNetError) -> Trouble:
        """Keep since when; damage, once found, stays what is told."""
        if before is not None and before.lasts:
            return before
        self._failed_at = self._clock.now()
        since = before.since if before is not None else self._clock.now()
        if before is None:
            log.warning("the store is in trouble", error=str(error))
        return Trouble(since, str(error), lasts=self._damage is not None)

    def _note_well(self) -> None:
        if self._of_writing is None or self._clock.now() - self._failed_at < LINGER:
            return
        lasted = self._failed_at - self._of_writing.since
        log.info("the store is well again", lasted_s=round(lasted.total_seconds(), 3))
        self._of_writing = self._of_reading = None
