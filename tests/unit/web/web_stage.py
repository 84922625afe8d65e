"""A node's HTTP face on a free port, with real parts behind it and a platform in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from dreamnet.agents.bundle import collect_bundle
from dreamnet.agents.deploykeeper import DeployKeeper
from dreamnet.agents.desk import Desk, DeskParts, KillSwitch
from dreamnet.agents.dreamkeeper import DreamKeeper
from dreamnet.agents.envkeeper import EnvKeeper
from dreamnet.agents.operations import Operations
from dreamnet.agents.relaybot import RelayBot
from dreamnet.agents.world import World
from dreamnet.drivers.bus.memory import MemoryBus
from dreamnet.drivers.secrets.dotenv import DotenvSource
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.metrics import Metrics
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.actions import Agent, Office, Proposal, Rejected, Verb
from dreamnet.model.address import Address
from dreamnet.model.facts import PartAnswered, Probed
from dreamnet.model.policy import ReefPolicy
from dreamnet.model.services import Aspect, Env, Replicas, Route, ServiceName, ServiceSpec
from dreamnet.model.settings import Settings
from dreamnet.testing.platform import FakePlatform
from dreamnet.testing.store import memory_store
from dreamnet.web.handles import Handles
from dreamnet.web.keyring import Keyring
from dreamnet.web.readiness import node_health
from dreamnet.web.server import App, Server, bind, make_app

SHOP, MAIL = ServiceName("shop"), ServiceName("mail")
LIMIT_S = 10.0


def two_services(folder: Path) -> dict[ServiceName, ServiceSpec]:
    shop = ServiceSpec(
        name=SHOP,
        folder=str(folder),
        run="shop --port $PORT",
        route=Route(host="shop.localhost", path="/"),
        replicas=Replicas(min=2, max=5),
        env=Env.model_validate({"from": ["dotenv:.env"], "required": ["SHOP_KEY"]}),
    )
    mail = ServiceSpec(name=MAIL, folder=str(folder), run="mail --port $PORT")
    return {SHOP: shop, MAIL: mail}


@dataclass
class Stage:
    """Everything a test may look at, and a client of the node."""

    handles: Handles
    store: SqlStore
    platform: FakePlatform
    bus: MemoryBus
    keeper: DeployKeeper
    folder: Path
    restarts: list[str] = field(default_factory=list)
    app: App = field(init=False)
    server: Server = field(init=False)
    client: aiohttp.ClientSession = field(init=False)
    token: str = field(init=False)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        async with self.client.get(self.url + path, **options) as answer:
            return answer.status, await answer.json(content_type=None)

    async def post(self, path: str, body: Any = None, **headers: str) -> aiohttp.ClientResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        json = {} if body is None else {"json": body}
        answer = await self.client.post(self.url + path, headers=named, **json)
        await answer.read()
        return answer

    async def ask(self, agent: str, **body: Any) -> tuple[int, Any]:
        answer = await self.post("/api/agent", {"agent": agent, "input": body})
        return answer.status, await answer.json(content_type=None)

    async def suggest(self) -> str:
        """Let an agent propose a restart of shop/1 by itself; returns the action's id."""
        proposal = Proposal(
            key="dream-1:0:hang", agent=Agent.DREAMKEEPER, performer=Agent.DEPLOYKEEPER,
            office=Office.HEAL, verb=Verb.RESTART, target="shop/1", case="dream-1",
            args={"symptom": "hang"}, reason="hang: liveness fails",
        )  # fmt: skip
        async with asyncio.timeout(LIMIT_S):
            while isinstance(verdict := await self.handles.desk.propose(proposal), Rejected):
                await asyncio.sleep(0.01)  # a start holds the target until its end is recorded
        return verdict.action.id

    async def start_instances(self) -> None:
        """Let DeployKeeper start what is wanted, every instance ready at once."""
        async with Tasks("stage") as tasks:
            tasks.loop("keep", self._keep)
            await until(lambda: self._ready() >= sum(self.handles.world.desired.values()))

    async def performed(self, link: str) -> Any:
        """Let DeployKeeper perform what was let out, and return how the action ended."""
        async with Tasks("stage") as tasks, asyncio.timeout(LIMIT_S):
            tasks.loop("keep", self._keep)
            while True:
                _, action = await self.get(link)
                if action["done"]:
                    return action
                await asyncio.sleep(0.01)

    def _ready(self) -> int:
        return sum(1 for seen in self.handles.world.instances.values() if seen.is_ready)

    async def _keep(self) -> None:
        while True:
            await self.keeper.tick()
            self.look()
            await asyncio.sleep(0.01)

    def look(self) -> None:
        """Let every probe answer well, and the gateway serve what is ready."""
        world = self.handles.world
        served = [one for one in world.instances.values() if one.is_ready and not one.withdrawn]
        world.mark_traffic(frozenset(one.instance.address for one in served))
        for seen in [one for one in world.instances.values() if one.running]:
            for aspect in Aspect:
                world.apply(
                    Probed(
                        at=world.clock.now(),
                        service=seen.instance.service,
                        slot=seen.instance.slot,
                        instance=seen.instance.id,
                        aspect=aspect,
                        good=True,
                    )
                )

    def parts_answer(self) -> None:
        for part in ("gateway", "room", "node"):
            self.handles.world.apply(PartAnswered(at=self.handles.world.clock.now(), part=part))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not holds():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def web_stage(folder: Path, *, reef: ReefPolicy | None = None) -> AsyncGenerator[Stage]:
    """Serve a node; with `reef` under another policy than the default one."""
    (folder / ".env").write_text("SHOP_KEY=secret\n")
    async with memory_store() as store:
        stage = assembled(store, folder, reef or ReefPolicy())
        world = stage.handles.world
        configured = {name: spec.replicas.min for name, spec in world.services.items()}
        world.want(await store.tx(lambda tx: tx.services.adopt(configured)))
        async with served(stage):
            yield stage
        await stage.keeper.close()


@asynccontextmanager
async def served(stage: Stage) -> AsyncGenerator[None]:
    """Serve a stage's handles as they are now."""
    stage.app = make_app(stage.handles)
    stage.server = Server(stage.app, bind(Address.model_construct(host="127.0.0.1", port=0)))
    await stage.handles.keyring.open()
    stage.token = (stage.folder / "token").read_text().strip()
    async with Tasks("test") as tasks, aiohttp.ClientSession(headers=stage.bearer) as stage.client:
        tasks.loop("web", stage.server.serve)
        try:
            yield
        finally:
            await stage.server.close()


def assembled(store: SqlStore, folder: Path, reef: ReefPolicy) -> Stage:
    clock, bus = SystemClock(), MemoryBus()
    services = two_services(folder)
    (folder / "dreamnet.toml").write_text('[services.shop]\nrun = "true"\n')
    settings = Settings(file=folder / "dreamnet.toml", reef=reef, services=services)
    world = World(clock)
    world.services.update(services)
    platform = FakePlatform(clock)
    relaybot = RelayBot(store, clock, "node-test")
    switch = KillSwitch(folder / "halt")
    parts = DeskParts(store, reef, switch, clock, "node-test", relaybot.wake.ring)
    desk = Desk(parts)
    envkeeper = EnvKeeper(world, _sources, bus.publish)
    operations = Operations(platform, world, envkeeper.variables, settings.heal.start_limit)
    keeper = DeployKeeper(store, desk, world, platform, operations)
    relaybot.connect({Agent.DEPLOYKEEPER: keeper.receive})

    async def bundle(target: str) -> dict[str, Any]:
        return await collect_bundle(platform, world, target)

    restarts: list[str] = []
    keyring = Keyring(store, clock, folder / "token")
    health = node_health(store, world, folder)
    handles = Handles(
        settings=settings,
        store=store,
        world=world,
        desk=desk,
        dreamkeeper=DreamKeeper(store, desk, world, settings.heal, bundle),
        envkeeper=envkeeper,
        relaybot=relaybot,
        platform=platform,
        health=health,
        keyring=keyring,
        metrics=Metrics(),
        version="1.2.3",
        restart_node=lambda: restarts.append("restart"),
    )
    return Stage(handles, store, platform, bus, keeper, folder, restarts)


def _sources(spec: ServiceSpec) -> dict[str, DotenvSource]:
    return {name: DotenvSource(Path(spec.folder) / ".env") for name in spec.env.sources}


__all__ = ["MAIL", "SHOP", "Stage", "replace", "served", "until", "web_stage"]
