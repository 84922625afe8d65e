"""The common loop of every keeper: woken by facts and messages, looking at least once a second."""

from __future__ import annotations

from typing import Protocol

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


def run_keeper(tasks: Tasks, name: str, keeper: Keeper) -> None:
    """Let a keeper tick whenever it is woken, and each second anyway."""

    async def live() -> None:
        while True:
            await keeper.tick()
            await keeper.wake.wait(LONGEST_SLEEP_S)

    tasks.loop(name, live)
