"""RelayBot's beats: tells the outside that this node is well, while it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from dreamnet.agents.keeper import Ticks
from dreamnet.domain.outside.heartbeat import Signs, should_beat, what_hinders
from dreamnet.drivers.heartbeat.base import Heartbeat
from dreamnet.drivers.store.base import Store
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.errors import DreamNetError, Unavailable
from dreamnet.kernel.log import logger
from dreamnet.model.facts import BeatOutcome, HeartbeatTold

WRITE_LIMIT_S = 5.0
FIRST_PAUSE_S = 1.0

log = logger("heartbeat")


@dataclass(frozen=True)
class BeatParts:
    """What beating needs; `interval` is the pause after a beat that was delivered."""

    heartbeat: Heartbeat
    store: Store
    ticks: Ticks
    publish: Callable[[HeartbeatTold], None]
    clock: Clock
    interval: timedelta


class Beats:
    """Runs beside everything else and holds up nobody; its loop is RelayBot's."""

    def __init__(self, parts: BeatParts) -> None:
        self._parts = parts
        self._wrote: float | None = None
        self._missed = 0
        self._last: BeatOutcome | None = None

    async def run(self) -> None:
        """Beat for ever, once the keepers had time for a first look."""
        pause_s = FIRST_PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = await self.beat()

    async def beat(self) -> float:
        """Beat once if the node is well; returns the seconds until the next try."""
        await self._prove_store()
        clock = self._parts.clock
        signs = Signs(self._parts.ticks.ended(), self._wrote)
        if not should_beat(signs, clock.monotonic()):
            self._tell(BeatOutcome.WITHHELD, what_hinders(signs, clock.monotonic()))
            return FIRST_PAUSE_S
        try:
            await self._parts.heartbeat.beat()
        except Unavailable as error:
            self._missed += 1
            self._tell(BeatOutcome.UNDELIVERED, str(error))
            return self._pause_s()
        self._missed = 0
        self._tell(BeatOutcome.DELIVERED, "")
        return self._parts.interval.total_seconds()

    def _pause_s(self) -> float:
        longest = self._parts.interval.total_seconds()
        return min(longest, FIRST_PAUSE_S * 2.0 ** min(self._missed - 1, 30))

    async def _prove_store(self) -> None:
        """Note when the store took a write; one that hangs is not waited for."""
        try:
            async with asyncio.timeout(WRITE_LIMIT_S):
                await self._parts.store.tx(lambda tx: tx.prove_writable())
        except (DreamNetError, TimeoutError):
            return
        self._wrote = self._parts.clock.monotonic()

    def _tell(self, outcome: BeatOutcome, words: str) -> None:
        if outcome is not self._last and (self._last or outcome is not BeatOutcome.DELIVERED):
            log.warning("heartbeat", outcome=str(outcome), words=words)
        self._last = outcome
        now = self._parts.clock.now()
        self._parts.publish(HeartbeatTold(at=now, outcome=outcome, output=words))
