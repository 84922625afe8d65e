"""The seam to the gateway; the weaver is its sole writer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Literal, Protocol

from dreamnet.model.instances import Exit
from dreamnet.model.routes import Applied, GatewaySample, RouteTable

Part = Literal["gateway", "room"]

# How long after `apply` an endpoint it removed must stay up: requests on their way to it arrive.
SETTLE = timedelta(milliseconds=100)


class Gateway(Protocol):
    """Serves route tables; every method may be repeated with the same end.

    The gateway and its waiting room live in their own sessions and survive the node.
    """

    async def open(self) -> None:
        """Adopt the running gateway and room, or start them; `Conflict` when a port is taken."""
        ...

    async def apply(self, table: RouteTable) -> Applied:
        """Serve `table` and return when it is in force or rejected (the old one then stays).

        In force means: new healthy endpoints passed the gateway's own gate, or 2 s are over.
        Requests wait in the room only while a backend has no endpoint that passed. An endpoint
        that the table no longer names gets no new requests from then on; stop it `SETTLE` later.
        `Unavailable` while the gateway is down; nothing has changed then.
        """
        ...

    async def sample(self) -> GatewaySample:
        """Return the counters of now; `Unavailable` while the gateway is down."""
        ...

    def watch(self) -> AsyncIterator[tuple[Part, Exit]]:
        """Yield a part and how it ended at the moment its process dies."""
        ...

    def runs(self, part: Part) -> bool:
        """Return whether a part's process is there now: the look behind `watch`."""
        ...

    async def answers(self, part: Part) -> bool:
        """Return whether a part that runs answers within 2 s; true while it is being started."""
        ...

    async def restart(self, part: Part) -> None:
        """Start a part that died, with the last table; one that runs and answers is left alone.

        One that runs but does not answer is killed first; nobody hears of that end by `watch`.
        `Unavailable` when it does not come up.
        """
        ...

    async def close(self, *, stop: bool) -> None:
        """Stop watching; with `stop`, drain and end gateway and room too."""
        ...
