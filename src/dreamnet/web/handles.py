"""What the web may reach: a frozen set of handles, passed in by the assembly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dreamnet import __version__
from dreamnet.agents.desk import Desk
from dreamnet.agents.dreamkeeper import DreamKeeper
from dreamnet.agents.envkeeper import EnvKeeper
from dreamnet.agents.relaybot import RelayBot
from dreamnet.agents.world import World
from dreamnet.drivers.platforms.base import Platform
from dreamnet.drivers.store.base import Store, Trouble
from dreamnet.health import Health
from dreamnet.kernel.metrics import Metrics
from dreamnet.model.routes import GatewaySample
from dreamnet.model.settings import Settings
from dreamnet.web.keyring import Keyring
from dreamnet.web.readiness import always_watched, never_troubled


def no_sample() -> GatewaySample | None:
    """Return nothing: no gateway is looked at."""
    return None


@dataclass(frozen=True)
class Handles:
    """Everything a route may use.

    `restart_node` asks the node to end so that root starts it anew; `sample` returns the newest
    look at the gateway's counters, None while it does not answer; `store_trouble` what is wrong
    with the store, without asking it.
    """

    settings: Settings
    store: Store
    world: World
    desk: Desk
    dreamkeeper: DreamKeeper
    envkeeper: EnvKeeper
    relaybot: RelayBot
    platform: Platform
    health: Health
    keyring: Keyring
    metrics: Metrics
    restart_node: Callable[[], None]
    version: str = __version__
    sample: Callable[[], GatewaySample | None] = no_sample
    watched: Callable[[], bool] = always_watched
    store_trouble: Callable[[], Trouble | None] = never_troubled
