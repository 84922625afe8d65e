"""The bus within one process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Self

from dreamnet.model.facts import Fact

HELD_FACTS = 1000


class MemorySubscription:
    """One reader's bounded queue; for one reader at a time."""

    def __init__(self, held: int, leave: Callable[[MemorySubscription], None]) -> None:
        self._facts: deque[Fact] = deque(maxlen=held)
        self._leave = leave
        self._arrived = asyncio.Event()
        self._missed = False
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Fact:
        while not self._facts:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._facts.popleft()

    def put(self, fact: Fact) -> None:
        """Queue a fact; the oldest goes when there is no room."""
        self._missed = self._missed or len(self._facts) == self._facts.maxlen
        self._facts.append(fact)
        self._arrived.set()

    def take_missed(self) -> bool:
        """True if facts were lost since the last call."""
        missed, self._missed = self._missed, False
        return missed

    def close(self) -> None:
        """Stop receiving; the iteration ends after what was received."""
        self._closed = True
        self._leave(self)
        self._arrived.set()


class MemoryBus:
    """Facts go straight into the queue of each subscription; `held` bounds each queue."""

    def __init__(self, held: int = HELD_FACTS) -> None:
        self._held = held
        self._subscriptions: set[MemorySubscription] = set()
        self._closed = False

    def publish(self, fact: Fact) -> None:
        """Hand a fact to every subscription."""
        for subscription in self._subscriptions:
            subscription.put(fact)

    def subscribe(self) -> MemorySubscription:
        """Start to receive facts; a closed bus gives a subscription that has ended."""
        subscription = MemorySubscription(self._held, self._subscriptions.discard)
        if self._closed:
            subscription.close()
        else:
            self._subscriptions.add(subscription)
        return subscription

    async def close(self) -> None:
        """End every subscription; later facts go nowhere."""
        self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription.close()
