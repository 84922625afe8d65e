"""Sees DreamNet's own parts die and hang: the gateway and its waiting room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dreamnet.drivers.gateway.base import Gateway, Part
from dreamnet.kernel.clock import Clock
from dreamnet.model.facts import Fact, PartDied, PartHung

ASK_EVERY_S = 1.0
# In a row; each may take 2 s, so that a gateway that is only busy is not taken for one that hangs.
MISSES = 3
# A question that took longer than its limit was kept waiting by our own loop: it proves nothing.
STALLED_S = 3.0


async def watch_parts(gateway: Gateway, publish: Callable[[Fact], None], clock: Clock) -> None:
    """Publish a fact at the moment a part's process ends; runs for ever."""
    async for part, exit_ in gateway.watch():
        publish(PartDied(at=clock.now(), part=part, exit=exit_))


class PartPulse:
    """Asks a part that runs whether it answers; silence in a row is a hang."""

    def __init__(
        self, part: Part, gateway: Gateway, publish: Callable[[Fact], None], clock: Clock
    ) -> None:
        self._part: Part = part
        self._gateway = gateway
        self._publish = publish
        self._clock = clock
        self._misses = 0

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await self.beat()
            await asyncio.sleep(ASK_EVERY_S)

    async def beat(self) -> None:
        """Ask once; each miss after too many tells of the hang again, should the first be lost."""
        at, began_s = self._clock.now(), self._clock.monotonic()
        if not self._gateway.runs(self._part) or await self._gateway.answers(self._part):
            self._misses = 0
            return
        if self._clock.monotonic() - began_s > STALLED_S:
            return
        self._misses += 1
        if self._misses >= MISSES and self._gateway.runs(self._part):
            words = f"it runs but did not answer {MISSES} times in a row"
            self._publish(PartHung(at=at, part=self._part, words=words))
