"""Assembly: settings in, a frozen node out; the only namer of concrete drivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from dreamnet.agents.beats import BeatParts, Beats
from dreamnet.agents.bundle import collect_bundle
from dreamnet.agents.deploykeeper import DeployKeeper
from dreamnet.agents.desk import Desk, DeskParts, KillSwitch
from dreamnet.agents.dreamkeeper import DreamKeeper
from dreamnet.agents.envkeeper import EnvKeeper
from dreamnet.agents.keeper import Ticks
from dreamnet.agents.operations import Operations
from dreamnet.agents.outside import HEARTBEAT
from dreamnet.agents.relaybot import RelayBot
from dreamnet.agents.weaver import Weaver
from dreamnet.agents.world import World
from dreamnet.app.datadir import DataDir
from dreamnet.drivers.bus.base import Bus
from dreamnet.drivers.bus.memory import MemoryBus
from dreamnet.drivers.gateway.base import Gateway
from dreamnet.drivers.gateway.envoy import EnvoyGateway
from dreamnet.drivers.heartbeat.https import HttpsHeartbeat
from dreamnet.drivers.platforms.base import Platform
from dreamnet.drivers.platforms.process import ProcessPlatform
from dreamnet.drivers.secrets.base import SecretSource
from dreamnet.drivers.secrets.dotenv import DotenvSource
from dreamnet.drivers.store.guarded import GuardedStore
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.health import Health
from dreamnet.kernel.clock import Clock, SteadyClock
from dreamnet.kernel.ids import fresh_random
from dreamnet.kernel.metrics import Metrics
from dreamnet.model.actions import Agent
from dreamnet.model.services import ServiceSpec
from dreamnet.model.settings import Settings
from dreamnet.root import living_root
from dreamnet.senses.probes import Prober
from dreamnet.senses.telemetry import Telemetry
from dreamnet.senses.watcher import Watcher
from dreamnet.web.handles import Handles
from dreamnet.web.keyring import Keyring
from dreamnet.web.readiness import node_health

# How long a transaction waits for others. Not long: whoever asked is told, and what is due is
# tried again.
LOCK_WAIT = timedelta(seconds=5)


@dataclass(frozen=True)
class Keepers:
    """The agents that tick."""

    relaybot: RelayBot
    dreamkeeper: DreamKeeper
    deploykeeper: DeployKeeper
    envkeeper: EnvKeeper
    weaver: Weaver


@dataclass(frozen=True)
class Node:
    """Every part of a running node."""

    settings: Settings
    data: DataDir
    clock: SteadyClock
    store: GuardedStore
    bus: Bus
    platform: Platform
    gateway: Gateway
    world: World
    keepers: Keepers
    ticks: Ticks
    prober: Prober
    watcher: Watcher
    telemetry: Telemetry
    handles: Handles

    @property
    def health(self) -> Health:
        """Return the node's own health."""
        return self.handles.health


def data_dir_of(settings: Settings, file: Path) -> DataDir:
    """Return the data directory, relative to the settings' file."""
    return DataDir((file.parent / settings.node.data_dir).resolve())


def node_store(settings: Settings, data: DataDir, clock: Clock, metrics: Metrics) -> GuardedStore:
    """Return the store that the settings name, not yet opened; on PostgreSQL this node's alone."""
    inner = SqlStore(
        settings.node.store.get_secret_value() or data.database,
        lock_wait=LOCK_WAIT,
        took=metrics.transaction_took,
        owner=data.owner(),
    )
    return GuardedStore(inner, clock)


@dataclass(frozen=True)
class Base:
    """What every part of a node stands on: clock, drivers, the shared picture, signs of life."""

    clock: SteadyClock
    store: GuardedStore
    bus: Bus
    platform: Platform
    gateway: Gateway
    world: World
    watched: Callable[[], bool]
    metrics: Metrics
    ticks: Ticks
    keyring: Keyring


def assemble(settings: Settings, data: DataDir, restart_node: Callable[[], None]) -> Node:
    """Build a node in reading order; nothing runs yet."""
    base = _base(settings, data)
    relaybot = RelayBot(base.store, base.clock, data.owner(), _beats(base, settings))
    desk = _desk(base, settings, data, relaybot)
    keepers = _keepers(base, settings, desk, relaybot)
    health = node_health(base.store, base.world, data.path, base.watched, base.store.trouble)
    telemetry = Telemetry(base.gateway, base.bus.publish, base.clock)
    handles = Handles(
        settings=settings,
        store=base.store,
        world=base.world,
        desk=desk,
        dreamkeeper=keepers.dreamkeeper,
        envkeeper=keepers.envkeeper,
        relaybot=relaybot,
        platform=base.platform,
        health=health,
        keyring=base.keyring,
        metrics=base.metrics,
        restart_node=restart_node,
        sample=lambda: telemetry.latest,
        watched=base.watched,
        store_trouble=base.store.trouble,
    )
    return Node(
        settings=settings,
        data=data,
        clock=base.clock,
        store=base.store,
        bus=base.bus,
        platform=base.platform,
        gateway=base.gateway,
        world=base.world,
        keepers=keepers,
        ticks=base.ticks,
        prober=Prober(base.bus.publish, base.clock, fresh_random()),
        watcher=_watcher(base, settings),
        telemetry=telemetry,
        handles=handles,
    )


def is_watched(data_dir: Path) -> bool:
    """Return whether a root lives that starts the node again."""
    return living_root(data_dir) is not None


def _base(settings: Settings, data: DataDir) -> Base:
    clock, metrics = SteadyClock(), Metrics()
    world = World(clock)
    world.services.update(settings.services)
    world.outside.watch(settings.watches.values())
    listen, hold = str(settings.gateway.listen), settings.gateway.hold
    store = node_store(settings, data, clock, metrics)
    return Base(
        clock=clock,
        store=store,
        bus=MemoryBus(),
        platform=ProcessPlatform(data.instances, clock),
        gateway=EnvoyGateway(data.gateway, listen, clock, hold=hold),
        world=world,
        watched=partial(is_watched, data.path),
        metrics=metrics,
        ticks=Ticks(clock),
        keyring=Keyring(store, clock, data.token_file),
    )


def _watcher(base: Base, settings: Settings) -> Watcher:
    watches = settings.watches.values()
    return Watcher(watches, base.bus.publish, base.clock, fresh_random())


def _beats(base: Base, settings: Settings) -> Beats | None:
    if not settings.node.heartbeat.get_secret_value():
        return None
    base.world.outside.beat(settings.node.heartbeat_interval)
    return Beats(
        BeatParts(
            heartbeat=HttpsHeartbeat(settings.node.heartbeat),
            store=base.store,
            ticks=base.ticks,
            publish=base.bus.publish,
            clock=base.clock,
            interval=settings.node.heartbeat_interval,
        )
    )


def _desk(base: Base, settings: Settings, data: DataDir, relaybot: RelayBot) -> Desk:
    return Desk(
        DeskParts(
            store=base.store,
            policy=settings.reef,
            switch=KillSwitch(data.halt_file),
            clock=base.clock,
            owner=data.owner(),
            queued=relaybot.wake.ring,
            untouchable=frozenset({*settings.watches, HEARTBEAT}),
        )
    )


def _keepers(base: Base, settings: Settings, desk: Desk, relaybot: RelayBot) -> Keepers:
    world, publish = base.world, base.bus.publish
    envkeeper = EnvKeeper(world, secret_sources, publish)
    limit = settings.heal.start_limit
    operations = Operations(base.platform, world, envkeeper.variables, limit)
    bundle = partial(collect_bundle, base.platform, world)
    keepers = Keepers(
        relaybot=relaybot,
        dreamkeeper=DreamKeeper(base.store, desk, world, settings.heal, bundle),
        deploykeeper=DeployKeeper(base.store, desk, world, base.platform, operations),
        envkeeper=envkeeper,
        weaver=Weaver(desk, world, base.gateway, publish),
    )
    relaybot.connect(
        {
            Agent.DREAMKEEPER: keepers.dreamkeeper.receive,
            Agent.DEPLOYKEEPER: keepers.deploykeeper.receive,
            Agent.ENVKEEPER: envkeeper.receive,
            Agent.RELAYBOT: relaybot.receive,
            Agent.WEAVER: keepers.weaver.receive,
        }
    )
    return keepers


def secret_sources(spec: ServiceSpec) -> Mapping[str, SecretSource]:
    """Return where a service's secrets come from, by the name that may be shown."""
    folder = Path(spec.folder)
    return {
        source: DotenvSource(folder / source.removeprefix("dotenv:")) for source in spec.env.sources
    }
