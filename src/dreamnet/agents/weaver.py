"""Weaver: sole writer of the gateway; weaves readiness into routes and revives gateway parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from dreamnet.agents.desk import Desk
from dreamnet.agents.world import InstanceSeen, World
from dreamnet.domain.traffic.weave import Candidate, Traffic, weave
from dreamnet.domain.vitals import Verdict
from dreamnet.drivers.gateway.base import Gateway, Part
from dreamnet.kernel.errors import DreamNetError
from dreamnet.kernel.log import logger
from dreamnet.kernel.tasks import Wake
from dreamnet.model.actions import Action, Agent
from dreamnet.model.events import EventKind
from dreamnet.model.facts import Fact, GatewayRejected, PartAnswered
from dreamnet.model.instances import InstanceId
from dreamnet.model.messages import Message
from dreamnet.model.routes import EndpointHealth, RouteTable
from dreamnet.model.services import ServiceName

FIRST_LOOK_S = 2.0

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
        self._told: dict[ServiceName, list[InstanceId]] = {}
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
        except Exception as error:
            log.exception("action failed in an unforeseen way", id=action.id)
            detail = f"{type(error).__name__}; the node's log says more"
            await self._desk.finish(action, succeeded=False, detail=detail)
            return
        self._world.apply(PartAnswered(at=self._world.clock.now(), part=part))
        await self._desk.finish(action, succeeded=True, detail=f"{part} is up")

    async def run(self) -> None:
        """Weave for ever: at each change, and each second anyway."""
        await self._adopt()
        while True:
            await self.weave_once()
            await self._changed.wait(1.0)

    async def _adopt(self) -> None:
        """Leave an earlier node's table in force until its instances have answered this one."""
        self._last_ready = {
            name: frozenset(
                seen.instance.id for seen in self._world.of_service(name) if seen.ready.ever_well
            )
            for name in self._world.services
        } | dict(self._last_ready)
        await self._world.until(self._is_judged, FIRST_LOOK_S)

    def _is_judged(self) -> bool:
        started = self._world.started_at
        adopted = (one for one in self._world.instances.values() if one.instance.created < started)
        return not any(one.running and one.ready.verdict is Verdict.UNKNOWN for one in adopted)

    async def weave_once(self) -> None:
        """Serve the table of now; a change while it is being gated starts over with a newer one."""
        woven = weave(self._traffic(), self._last_ready)
        self._last_ready = woven.last_ready
        try:
            applied = await self._apply(woven.table)
        except (DreamNetError, OSError) as error:
            log.warning("gateway did not take the table", error=str(error))
            return
        if not applied:
            return
        served = _addresses(woven.table)
        self._world.mark_traffic(served)
        await self._tell_traffic(served)

    async def _tell_traffic(self, served: frozenset[str]) -> None:
        """Record which instances of a service get traffic, each time that changes."""
        for name in self._world.services:
            known = self._world.of_service(name)
            ids = sorted(one.instance.id for one in known if one.instance.address in served)
            if self._told.get(name) == ids:
                continue
            self._told[name] = ids
            wanted = self._world.desired.get(name, 0)
            try:
                await self._desk.record(EventKind.TRAFFIC, name, {"serving": ids, "wanted": wanted})
            except DreamNetError as error:
                log.warning("change of traffic not recorded", service=name, error=str(error))

    async def _apply(self, table: RouteTable) -> bool:
        """Return whether the table is in force; false when a newer one is due or it was refused."""
        applying = asyncio.ensure_future(self._gateway.apply(table))  # noqa: TID251 - awaited below
        applying.add_done_callback(lambda _: self._changed.ring())
        try:
            while not applying.done():
                await self._changed.wait(1.0)
                is_newer = self._table_of_now() != table
                if is_newer:
                    self._changed.ring()  # this wait has used up the ring that asked for more
                if is_newer and not applying.done():
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
