"""Lets the prober follow exactly the running instances, each with its service's environment."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from dreamnet.agents.envkeeper import EnvKeeper
from dreamnet.agents.world import World
from dreamnet.kernel.errors import DreamNetError
from dreamnet.model.instances import InstanceId
from dreamnet.model.services import ServiceName, ServiceSpec
from dreamnet.senses.probes import Prober
from dreamnet.senses.target import Target

# A changed source of variables reaches the probes of what runs already after this long.
RENEW_S = 5.0


class Follower:
    """Resolves an environment when a service has a new instance, and every few seconds anyway."""

    def __init__(self, world: World, envkeeper: EnvKeeper, prober: Prober) -> None:
        self._world = world
        self._envkeeper = envkeeper
        self._prober = prober
        self._followed: dict[InstanceId, Target] = {}

    async def run(self) -> None:
        """Follow for ever."""
        wake = self._world.subscribe()
        while True:
            self._followed = {}
            until = self._world.clock.monotonic() + RENEW_S
            while (left_s := until - self._world.clock.monotonic()) > 0:
                self._followed = await self._targets()
                self._prober.follow(self._followed)
                await wake.wait(left_s)

    async def _targets(self) -> dict[InstanceId, Target]:
        found: dict[InstanceId, Target] = {}
        environments: dict[ServiceName, Mapping[str, str]] = {}
        for seen in list(self._world.instances.values()):
            instance, spec = seen.instance, self._world.services.get(seen.instance.service)
            if spec is None or not seen.running:
                continue
            known = self._followed.get(instance.id)
            if known is not None:
                found[instance.id] = known
                continue
            if spec.name not in environments:
                environments[spec.name] = await self._environment(spec)
            found[instance.id] = Target(instance, spec, environments[spec.name])
        return found

    async def _environment(self, spec: ServiceSpec) -> Mapping[str, str]:
        with contextlib.suppress(DreamNetError):
            return await self._envkeeper.variables(spec)
        return {}
