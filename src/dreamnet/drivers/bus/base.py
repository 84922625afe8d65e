"""The seam to the bus: facts that wake; whoever misses one looks at the store instead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from dreamnet.model.facts import Fact


class Subscription(Protocol):
    """Facts in the order they were published, from the subscription on; ends with the bus.

    It holds a bounded number; a slow reader loses the oldest and is told by `take_missed`.
    """

    def __aiter__(self) -> AsyncIterator[Fact]:
        """Iterate over the facts."""
        ...

    def take_missed(self) -> bool:
        """True if facts were lost since the last call; the reader then looks at everything."""
        ...

    def close(self) -> None:
        """Stop receiving; the iteration ends after what was received."""
        ...


class Bus(Protocol):
    """Hands facts to whoever listens now; nothing is kept, for messages only wake."""

    def publish(self, fact: Fact) -> None:
        """Hand a fact to every subscription; never waits and never fails. In the event loop."""
        ...

    def subscribe(self) -> Subscription:
        """Start to receive facts."""
        ...

    async def close(self) -> None:
        """End every subscription; later facts go nowhere."""
        ...
