"""The common loop of every keeper: woken by facts and messages, looking at least once a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dreamnet.kernel.clock import Clock
from dreamnet.kernel.tasks import Tasks, Wake
from dreamnet.model.messages import Message

LONGEST_SLEEP_S = 1.0


class Keeper(Protocol):
    """An agent of ours. A message only wakes it; what is to be done is read from the store."""

    wake: Wake

    async def tick(self) -> None:
        """Look at everything once and act on it."""
        ...

    async def receive(self, message: Message) -> None:
        """Take a message; it may come twice."""
        ...


class Ticks:
    """When each keeper last ended a look: signs of life for whoever asks whether we can heal."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ended: dict[str, float | None] = {}

    def expect(self, name: str) -> None:
        """Name a keeper that will tick."""
        self._ended.setdefault(name)

    def ticked(self, name: str) -> None:
        """Note that a keeper ended a look."""
        self._ended[name] = self._clock.monotonic()

    def ended(self) -> Mapping[str, float | None]:
        """Return when each last did, in seconds of the monotonic clock; None: not yet."""
        return dict(self._ended)


def run_keeper(tasks: Tasks, name: str, keeper: Keeper, ticks: Ticks) -> None:
    """Let a keeper tick whenever it is woken, and each second anyway; `ticks` hears of each."""
    ticks.expect(name)

    async def live() -> None:
        while True:
            await keeper.tick()
            ticks.ticked(name)
            await keeper.wake.wait(LONGEST_SLEEP_S)

    tasks.loop(name, live)
