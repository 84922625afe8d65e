"""Weaver: sole writer of the gateway; weaves readiness into routes and revives gateway parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from dreamnet.agents.desk import Desk
from dreamnet.agents.world import InstanceSeen, World
from dreamnet.domain.traffic.weave import Candidate, Traffic, weave
from dreamnet.drivers.gateway.base import Gateway, Part
from dreamnet.kernel.errors import DreamNetError
from dreamnet.kernel.log import logger
from dreamnet.kernel.tasks import Wake
from dreamnet.model.actions import Action, Agent
from dreamnet.model.facts import Fact, GatewayRejected
from dreamnet.model.instances import InstanceId
from dreamnet.model.messages import Message
from dreamnet.model.routes import EndpointHealth, RouteTable
from dreamnet.model.services import ServiceName

log = logger("weaver")


class Weaver:
    """Two loops in one keeper: `tick` performs gateway actions, `weave_once` writes the table."""

    def __init__(
        self, desk: Desk, world: World, gateway: Gateway, publish: Callable[[Fact], None]
    ) -> None:
        self._desk = desk
        self._world = world
        self._gateway = gateway
        self._publish = publish
        self._last_ready: Mapping[ServiceName, frozenset[InstanceId]] = {}
        self._rejected: tuple[str, ...] = ()
        self.wake = Wake()
        self._changed = world.subscribe()

    async def receive(self, message: Message) -> None:
        """Look for work."""
        log.debug("message", message=message.message, payload=message.payload)
        self.wake.ring()

    async def tick(self) -> None:
        """Perform what the desk let out for the gateway's parts."""
        for action in await self._desk.claim(Agent.WEAVER):
            await self._perform(action)

    async def _perform(self, action: Action) -> None:
        part: Part = "gateway" if action.proposal.target == "gateway" else "room"
        try:
            await self._gateway.restart(part)
        except (DreamNetError, OSError) as error:
            await self._desk.finish(action, succeeded=False, detail=str(error))
            return
        await self._desk.finish(action, succeeded=True, detail=f"{part} is up")

    async def run(self) -> None:
        """Weave for ever: at each change, and each second anyway."""
        while True:
            await self.weave_once()
            await self._changed.wait(1.0)

    async def weave_once(self) -> None:
        """Serve the table of now; a change while it is being gated starts over with a newer one."""
        woven = weave(self._traffic(), self._last_ready)
        self._last_ready = woven.last_ready
        try:
            applied = await self._apply(woven.table)
        except DreamNetError as error:
            log.warning("gateway did not take the table", error=str(error))
            return
        if not applied:
            return
        self._world.mark_traffic(_addresses(woven.table))

    async def _apply(self, table: RouteTable) -> bool:
        """Return whether the table is in force; false when a newer one is due or it was refused."""
        applying = asyncio.ensure_future(self._gateway.apply(table))  # noqa: TID251 - awaited below
        try:
            while not applying.done():
                await asyncio.wait({applying}, timeout=0.02)
                if not applying.done() and self._table_of_now() != table:
                    return False
            applied = applying.result()
        finally:
            if not applying.done():
                applying.cancel()
                await asyncio.wait({applying})
        self._tell_rejection(applied.version, applied.rejected)
        return not applied.rejected

    def _table_of_now(self) -> RouteTable:
        return weave(self._traffic(), self._last_ready).table

    def _tell_rejection(self, version: str, rejected: tuple[str, ...]) -> None:
        if rejected == self._rejected:
            return
        self._rejected = rejected
        now = self._world.clock.now()
        self._publish(GatewayRejected(at=now, version=version, rejected=rejected))

    def _traffic(self) -> tuple[Traffic, ...]:
        return tuple(
            Traffic(
                spec=spec,
                candidates=tuple(_candidate(seen) for seen in self._world.of_service(name)),
                backing_off=name in self._world.backing_off or not self._world.desired.get(name),
            )
            for name, spec in self._world.services.items()
        )


def _candidate(seen: InstanceSeen) -> Candidate:
    return Candidate(
        id=seen.instance.id,
        host=seen.instance.host,
        port=seen.instance.port,
        ready=seen.is_ready,
        alive=seen.alive,
        been_ready=seen.ready.ever_well,
        withdrawn=seen.withdrawn,
    )


def _addresses(table: RouteTable) -> frozenset[str]:
    return frozenset(
        endpoint.address
        for backend in table.backends
        for endpoint in backend.endpoints
        if endpoint.health is EndpointHealth.HEALTHY
    )
