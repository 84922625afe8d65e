"""How instances are started, stopped and exchanged so that nobody waiting at the gateway loses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from dreamnet.agents.world import InstanceSeen, World
from dreamnet.drivers.platforms.base import Platform, Start
from dreamnet.kernel.errors import DreamNetError, NotFound, Permanent
from dreamnet.model.instances import Instance, InstanceId, InstanceState, slot_target
from dreamnet.model.services import ServiceName, ServiceSpec, Slot

# After the gateway stopped listing an instance, requests it was just given still arrive.
LAST_REQUESTS_S = 0.1
WITHDRAW_LIMIT_S = 3.0
# A hung process seldom listens to SIGTERM; waiting its whole grace would only delay the healing.
HUNG_GRACE = timedelta(seconds=2)
# For what dreamnet.toml no longer names.
UNKNOWN_GRACE = timedelta(seconds=10)

Variables = Callable[[ServiceSpec], Awaitable[dict[str, str]]]


class StartFailed(Permanent):
    """The new instance ended, or did not become ready within its limit."""


@dataclass(frozen=True)
class Operations:
    """The few things that can be done to the instances of a service; each may be repeated."""

    platform: Platform
    world: World
    variables: Variables
    start_limit: timedelta

    def spec(self, service: ServiceName) -> ServiceSpec:
        """Return a known service's spec; `NotFound` names the others."""
        spec = self.world.services.get(service)
        if spec is None:
            known = ", ".join(self.world.services) or "none"
            raise NotFound.of(f"there is no service {service}", mend=f"services: {known}")
        return spec

    async def start(self, service: ServiceName, slot: Slot, key: str) -> str:
        """Start an instance in a slot unless one is there, and wait until it is ready.

        Returns words for the story.
        """
        there = [seen for seen in self._others(service, slot, key) if not seen.stopped]
        if there:
            return f"{there[0].instance.id} is there already"
        return await self.restart(service, slot, key)

    async def stop_slot(self, service: ServiceName, slot: Slot) -> str:
        """Take a slot out of traffic, stop what runs there and forget it."""
        spec = self.world.services.get(service)
        grace = UNKNOWN_GRACE if spec is None else spec.grace
        found = self.world.of_slot(service, slot)
        await self._withdraw(found)
        await asyncio.gather(*(self._end(seen, grace) for seen in found))
        return f"stopped {slot_target(service, slot)}"

    async def restart(self, service: ServiceName, slot: Slot, key: str) -> str:
        """Stop what a slot has, then start anew; the others carry the traffic meanwhile."""
        spec = self.spec(service)
        old = self._others(service, slot, key)
        await self._withdraw(old)
        await asyncio.gather(*(self._end(seen, _grace(seen, spec)) for seen in old))
        return await self._ready(await self._begin(service, slot, key))

    async def replace(self, service: ServiceName, slot: Slot, key: str) -> str:
        """Start anew beside what a slot has, then stop the old; nothing waits in between.

        A new one that fails goes again, so that the old keeps its traffic.
        """
        spec = self.spec(service)
        new = await self._begin(service, slot, key)
        try:
            words = await self._ready(new)
        except StartFailed:
            await self._take_back(new, spec)
            raise
        await self.world.until(lambda: self._served(new), WITHDRAW_LIMIT_S)
        old = [seen for seen in self.world.of_slot(service, slot) if seen.instance.id != new.id]
        await self._withdraw(old)
        await asyncio.gather(*(self._end(seen, _grace(seen, spec)) for seen in old))
        return words

    async def _take_back(self, new: Instance, spec: ServiceSpec) -> None:
        found = self.world.of_slot(new.service, new.slot)
        if any(seen.running for seen in found if seen.instance.id != new.id):
            failed = [seen for seen in found if seen.instance.id == new.id]
            await self._withdraw(failed)
            await asyncio.gather(*(self._end(seen, _grace(seen, spec)) for seen in failed))

    def _served(self, instance: Instance) -> bool:
        routed = self.spec(instance.service).route is not None
        return not routed or instance.address in self.world.in_traffic

    def _others(self, service: ServiceName, slot: Slot, key: str) -> list[InstanceSeen]:
        """A repeat must not stop the instance that its own first run started."""
        return [seen for seen in self.world.of_slot(service, slot) if seen.instance.key != key]

    async def _begin(self, service: ServiceName, slot: Slot, key: str) -> Instance:
        spec = self.spec(service)
        variables = await self.variables(spec)
        instance = await self.platform.start(Start(spec, slot, variables), key)
        self.world.take(instance)
        return instance

    async def _ready(self, instance: Instance) -> str:
        def decided() -> bool:
            seen = self.world.instances.get(instance.id)
            return seen is None or seen.is_ready or not seen.running

        began = self.world.clock.monotonic()
        spec = self.spec(instance.service)
        limit = max(self.start_limit, spec.health.start_period)
        await self.world.until(decided, limit.total_seconds())
        seen = self.world.instances.get(instance.id)
        if seen is not None and seen.is_ready:
            took_ms = (self.world.clock.monotonic() - began) * 1000
            return f"{instance.id} ready after {took_ms:.0f} ms"
        if seen is None or seen.instance.exit is not None:
            ended = seen.instance.exit if seen is not None else "gone"
            raise StartFailed(f"{instance.target}: {ended}")
        output = seen.ready.last_output or "no answer"
        raise StartFailed(f"{instance.target} did not become ready within {limit}: {output}")

    async def _withdraw(self, found: list[InstanceSeen]) -> None:
        listed = {seen.instance.address for seen in found if seen.running}
        if self.world.woven:  # before the first table of this node the last one's is in force
            listed &= self.world.in_traffic
        for seen in found:
            self.world.withdraw(seen.instance.id)
        if listed:
            await self.world.until(lambda: self._unlisted(listed), WITHDRAW_LIMIT_S)
            await asyncio.sleep(LAST_REQUESTS_S)

    def _unlisted(self, addresses: set[str]) -> bool:
        return self.world.woven and not addresses & self.world.in_traffic

    async def _end(self, seen: InstanceSeen, grace: timedelta) -> None:
        instance: InstanceId = seen.instance.id
        if seen.instance.state is not InstanceState.EXITED:
            try:
                self.world.take(await self.platform.stop(instance, grace))
            except (DreamNetError, OSError):
                self.world.readmit(instance)
                raise
        await self.platform.forget(instance)
        self.world.forget(instance)


def _grace(seen: InstanceSeen, spec: ServiceSpec) -> timedelta:
    return spec.grace if seen.alive else min(spec.grace, HUNG_GRACE)
