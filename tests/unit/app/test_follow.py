"""The follower: what has not changed is neither resolved nor compared again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from dreamnet.agents.envkeeper import EnvKeeper
from dreamnet.agents.world import World
from dreamnet.app.follow import Follower
from dreamnet.drivers.secrets.base import SecretSource
from dreamnet.kernel.clock import ManualClock
from dreamnet.kernel.ids import fresh_random
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.instances import Instance, InstanceId, InstanceState
from dreamnet.model.services import Env, ServiceName, ServiceSpec, Slot
from dreamnet.senses.probes import Prober
from dreamnet.senses.target import Target

SHOP = ServiceName("shop")


class Source:
    """Variables that change with each reading."""

    def __init__(self) -> None:
        self.reads = 0

    async def read(self) -> dict[str, str]:
        self.reads += 1
        return {"READ": str(self.reads)}


class Followed(Prober):
    """A prober that asks nobody and remembers what it was told to follow."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(lambda _: None, clock, fresh_random())
        self.wanted: list[Mapping[InstanceId, Target]] = []

    def follow(self, wanted: Mapping[InstanceId, Target]) -> None:
        self.wanted.append(wanted)


def instance(number: int, clock: ManualClock) -> Instance:
    return Instance(
        id=InstanceId(f"shop-{number}"),
        service=SHOP,
        slot=Slot(number),
        key=str(number),
        state=InstanceState.RUNNING,
        created=clock.now(),
    )


async def test_a_ring_resolves_only_services_with_new_instances() -> None:
    clock, source = ManualClock(), Source()
    world = World(clock)
    world.services[SHOP] = ServiceSpec(
        name=SHOP, folder="/", run="x", env=Env.model_validate({"from": ["dotenv:.env"]})
    )

    def sources(_spec: ServiceSpec) -> Mapping[str, SecretSource]:
        return {"dotenv:.env": source}

    prober = Followed(clock)
    follower = Follower(world, EnvKeeper(world, sources, lambda _: None), prober)

    async def heard(rounds: int) -> Mapping[InstanceId, Target]:
        async with asyncio.timeout(5):
            while len(prober.wanted) < rounds:
                await asyncio.sleep(0)
        return prober.wanted[-1]

    world.take(instance(1, clock))
    async with Tasks("test") as tasks:
        tasks.loop("follow", follower.run)
        first = await heard(1)
        world.ring()
        again = await heard(2)
        assert source.reads == 1
        assert again[InstanceId("shop-1")] is first[InstanceId("shop-1")]
        world.take(instance(2, clock))
        both = await heard(3)
        assert source.reads == 2
        assert both[InstanceId("shop-2")].environment["READ"] == "2"
        clock.advance(timedelta(seconds=6))
        world.ring()
        renewed = await heard(4)
        assert renewed[InstanceId("shop-1")].environment["READ"] == "3"
