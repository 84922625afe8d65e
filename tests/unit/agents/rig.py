"""A whole circle of agents on a real store and a fake platform; time moves when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from dreamnet.agents.deploykeeper import DeployKeeper
from dreamnet.agents.desk import Desk, DeskParts, KillSwitch
from dreamnet.agents.dreamkeeper import DreamKeeper, dream_of
from dreamnet.agents.envkeeper import EnvKeeper
from dreamnet.agents.operations import Operations
from dreamnet.agents.relaybot import RelayBot
from dreamnet.agents.world import World
from dreamnet.domain.dreams.dream import Dream, Phase
from dreamnet.drivers.secrets.base import SecretSource
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.kernel.clock import ManualClock
from dreamnet.model.actions import Action, Agent
from dreamnet.model.cases import CaseKind
from dreamnet.model.facts import Fact, Probed
from dreamnet.model.instances import Instance
from dreamnet.model.policy import HealPolicy, ReefPolicy
from dreamnet.model.services import Aspect, Env, Replicas, ServiceName, ServiceSpec
from dreamnet.testing.platform import FakeMachine, FakePlatform
from dreamnet.testing.store import temporary_store

DEFAULT_POLICY = ReefPolicy()
SHOP = ServiceName("shop")


class FixedSource:
    """A secret source with values a test chose."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values

    async def read(self) -> dict[str, str]:
        return dict(self.values)


@dataclass
class Rig:
    """Everything of a node but senses, gateway and web."""

    store: SqlStore
    clock: ManualClock
    world: World
    platform: FakePlatform
    desk: Desk
    relaybot: RelayBot
    dreamkeeper: DreamKeeper
    deploykeeper: DeployKeeper
    envkeeper: EnvKeeper
    halt_file: Path
    source: FixedSource
    facts: list[Fact] = field(default_factory=list)

    async def beat(self, seconds: float = 0.0, *, probes: bool = True) -> None:
        """Let time pass, let every running instance answer its probes well, and tick everyone."""
        self.clock.advance(timedelta(seconds=seconds))
        if probes:
            self.probe()
        for keeper in (self.envkeeper, self.dreamkeeper, self.relaybot, self.deploykeeper):
            keeper.wake.ring()
            await keeper.tick()
        await asyncio.sleep(0)

    def probe(self, good: bool = True) -> None:
        """Let every running instance answer both probes."""
        for seen in list(self.world.instances.values()):
            if seen.running:
                self.answer(seen.instance, good=good)

    def answer(self, instance: Instance, *, good: bool, only: Aspect | None = None) -> None:
        self.clock.advance(timedelta(milliseconds=1))
        for aspect in Aspect:
            if only in (None, aspect):
                self.world.apply(
                    Probed(
                        at=self.clock.now(),
                        service=instance.service,
                        slot=instance.slot,
                        instance=instance.id,
                        aspect=aspect,
                        good=good,
                        output="200" if good else "timeout",
                    )
                )

    async def until(self, holds, beats: int = 60, seconds: float = 0.5) -> None:
        """Beat until a condition on the rig holds; AssertionError when it never does."""
        for _ in range(beats):
            result = holds()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return
            await self.beat(seconds)
            await asyncio.sleep(0.005)
        raise AssertionError(f"never: {await self.stories()}")

    def ready(self) -> int:
        return sum(seen.is_ready for seen in self.world.instances.values())

    async def dreams(self) -> list[Dream]:
        cases = await self.store.read(lambda tx: tx.cases.recent(CaseKind.DREAM, 50))
        return [dream_of(case) for case in cases]

    async def phases(self) -> list[Phase]:
        return [dream.phase for dream in await self.dreams()]

    async def actions(self) -> list[Action]:
        return await self.store.read(lambda tx: tx.actions.recent(50))

    async def stories(self) -> list[str]:
        dreams = await self.dreams()
        return [event.words for dream in dreams for event in dream.story]

    async def die(self, instance: Instance, signal: int = 9) -> None:
        self.world.take(await self.platform.die(instance.id, signal=signal))

    def instance(self, slot: int) -> Instance:
        return self.world.of_slot(SHOP, slot)[0].instance


def shop(**changes: object) -> ServiceSpec:
    base = ServiceSpec(name=SHOP, folder="/", run="shop", replicas=Replicas(min=2))
    return base.model_copy(update=changes)


@asynccontextmanager
async def rig(
    folder: Path,
    spec: ServiceSpec | None = None,
    policy: ReefPolicy | None = DEFAULT_POLICY,
    heal: HealPolicy | None = None,
    *,
    machine: FakeMachine | None = None,
    clock: ManualClock | None = None,
) -> AsyncGenerator[Rig]:
    """Build a rig with one service of two wanted instances."""
    clock = clock or ManualClock()
    spec = spec or shop()
    async with temporary_store(folder / "store.db") as store:
        world = World(clock)
        world.services[spec.name] = spec
        world.desired = {spec.name: spec.replicas.min}
        world.mark_traffic(frozenset())  # no gateway: nothing is ever listed
        platform = FakePlatform(clock, machine)
        relaybot = RelayBot(store, clock, "node-1")
        halt = folder / "halt"
        parts = DeskParts(store, policy, KillSwitch(halt), clock, "node-1", relaybot.wake.ring)
        desk = Desk(parts)
        source = FixedSource({})

        def sources(one: ServiceSpec) -> dict[str, SecretSource]:
            return dict.fromkeys(one.env.sources, source)

        heal = heal or HealPolicy(start_limit=timedelta(seconds=2))
        facts: list[Fact] = []

        def publish(fact: Fact) -> None:
            facts.append(fact)
            world.apply(fact)

        envkeeper = EnvKeeper(world, sources, publish)
        operations = Operations(platform, world, envkeeper.variables, heal.start_limit)

        async def bundle(target: str) -> dict[str, object]:
            return {"target": target, "log": ["last words"]}

        dreamkeeper = DreamKeeper(store, desk, world, heal, bundle)
        deploykeeper = DeployKeeper(store, desk, world, platform, operations)
        relaybot.connect(
            {
                Agent.DREAMKEEPER: dreamkeeper.receive,
                Agent.DEPLOYKEEPER: deploykeeper.receive,
                Agent.ENVKEEPER: envkeeper.receive,
            }
        )
        made = Rig(
            store, clock, world, platform, desk, relaybot, dreamkeeper, deploykeeper, envkeeper,
            halt, source, facts,
        )  # fmt: skip
        try:
            yield made
        finally:
            await deploykeeper.close()


__all__ = ["SHOP", "Env", "Rig", "rig", "shop"]
