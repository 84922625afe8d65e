"""Tells any number of subscribers what changed; a slow one gets the latest state, never a queue."""

from __future__ import annotations

import asyncio
from typing import Self
from weakref import WeakSet

from dreamnet.model.instances import Instance, InstanceId


class Subscription:
    """Changes since it was made; several changes of one instance become the latest."""

    def __init__(self) -> None:
        self._waiting: dict[InstanceId, Instance] = {}
        self._woken = asyncio.Event()
        self._is_over = False

    def put(self, instance: Instance) -> None:
        """Hand over a change."""
        self._waiting[instance.id] = instance
        self._woken.set()

    def end(self) -> None:
        """Let the iteration end once what waits is taken."""
        self._is_over = True
        self._woken.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Instance:
        while not self._waiting:
            if self._is_over:
                raise StopAsyncIteration
            self._woken.clear()
            await self._woken.wait()
        return self._waiting.pop(next(iter(self._waiting)))


class Changes:
    """Fan-out of changes; a subscription that nobody holds any more disappears by itself."""

    def __init__(self) -> None:
        self._subscriptions: WeakSet[Subscription] = WeakSet()

    def subscribe(self) -> Subscription:
        """Return a subscription that misses nothing from now on."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def publish(self, instance: Instance) -> None:
        """Hand a change to every subscriber."""
        for subscription in tuple(self._subscriptions):
            subscription.put(instance)

    def end(self) -> None:
        """End every subscription."""
        for subscription in tuple(self._subscriptions):
            subscription.end()
