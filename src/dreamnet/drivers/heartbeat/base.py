"""The seam to whoever is told, from outside, that this node is well."""

from __future__ import annotations

from typing import Protocol


class Heartbeat(Protocol):
    """Tells the outside once; repeating it is harmless."""

    async def beat(self) -> None:
        """Tell it; returns once it was taken.

        `Unavailable` when it was not, in words that hold nothing of the address; it takes at most
        10 s, and leaves nothing behind when it is cancelled.
        """
        ...
