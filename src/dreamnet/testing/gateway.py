"""A gateway in memory that keeps the Protocol; tests decide what dies and what is rejected."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

from dreamnet.drivers.gateway.base import Part
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.errors import Unavailable
from dreamnet.model.instances import Exit
from dreamnet.model.routes import (
    Applied,
    EndpointHealth,
    EndpointSample,
    GatewaySample,
    RouteTable,
)

_KILL = 9


class FakeGateway:
    """Serves nobody, remembers everything.

    `tables` are the tables in force so far, newest last. While `reject_next` is not empty, the next
    new table is rejected with it. `kill` ends a part as a SIGKILL would; `hang` stops one from
    answering as a SIGSTOP would.
    """

    def __init__(self, clock: Clock) -> None:
        self.tables: list[RouteTable] = []
        self.reject_next: tuple[str, ...] = ()
        self.requests: dict[str, int] = {}
        self.errors: dict[str, int] = {}
        self.unhealthy: set[str] = set()
        self.restarts: list[Part] = []
        self._clock = clock
        self._running: set[Part] = set()
        self._hanging: set[Part] = set()
        self._version = ""
        self._ends: asyncio.Queue[tuple[Part, Exit]] = asyncio.Queue()

    @property
    def table(self) -> RouteTable:
        """Return the table in force."""
        return self.tables[-1] if self.tables else RouteTable()

    def runs(self, part: Part) -> bool:
        """Tell whether a part is alive."""
        return part in self._running

    def kill(self, part: Part) -> None:
        """End a part at once; `watch` yields it."""
        if part in self._running:
            self._running.discard(part)
            self._ends.put_nowait((part, Exit(at=self._clock.now(), signal=_KILL)))

    def hang(self, part: Part) -> None:
        """Let a part run without answering."""
        self._hanging.add(part)

    async def open(self) -> None:
        """Start (or adopt) both parts."""
        self._running = {"gateway", "room"}

    async def apply(self, table: RouteTable) -> Applied:
        """Put `table` in force, or reject it when the test wants that."""
        if "gateway" not in self._running:
            raise Unavailable("the gateway is down")
        version = hashlib.sha256(table.model_dump_json().encode()).hexdigest()[:16]
        if version == self._version:
            return Applied(version=version)
        if self.reject_next:
            rejected, self.reject_next = self.reject_next, ()
            return Applied(version=self._version, rejected=rejected)
        self._version = version
        self.tables.append(table)
        return Applied(version=version)

    async def sample(self) -> GatewaySample:
        """Return the counters the test has set, by address."""
        if not await self.answers("gateway"):
            raise Unavailable("the gateway is down")
        return GatewaySample(
            monotonic_s=self._clock.monotonic(),
            endpoints=self._endpoint_samples(),
            room_answers=await self.answers("room"),
        )

    def _endpoint_samples(self) -> tuple[EndpointSample, ...]:
        return tuple(
            EndpointSample(
                service=backend.service,
                address=endpoint.address,
                requests=self.requests.get(endpoint.address, 0),
                errors=self.errors.get(endpoint.address, 0),
                active=0,
                healthy=endpoint.health is EndpointHealth.HEALTHY
                and endpoint.address not in self.unhealthy,
            )
            for backend in self.table.backends
            for endpoint in backend.endpoints
        )

    async def watch(self) -> AsyncIterator[tuple[Part, Exit]]:
        """Yield each part that was killed."""
        while True:
            yield await self._ends.get()

    async def answers(self, part: Part) -> bool:
        """Tell whether a part runs and does not hang."""
        return part in self._running and part not in self._hanging

    async def restart(self, part: Part) -> None:
        """Start a part that died or hangs."""
        if not await self.answers(part):
            self._hanging.discard(part)
            self.restarts.append(part)
            self._running.add(part)

    async def close(self, *, stop: bool) -> None:
        """Stop watching; with `stop` both parts end."""
        if stop:
            self._running.clear()
