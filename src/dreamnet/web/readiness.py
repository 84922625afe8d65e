"""The node's own health: store, schema, gateway, waiting room, disk, environments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from dreamnet import __version__
from dreamnet.agents.world import World
from dreamnet.drivers.store.base import Store, Trouble
from dreamnet.health import Check, Finding, Health, disk_space, failed, passed, warned
from dreamnet.kernel.errors import DreamNetError
from dreamnet.web.guard import has_token

LEAST_DISK = "50 MB"
LOW_DISK = "500 MB"
STORE_TIMEOUT_S = 2.0


def always_watched() -> bool:
    """Return that somebody would start the node again: what a test's node believes."""
    return True


def never_troubled() -> Trouble | None:
    """Return that the store is well as far as it is used: what a test's node believes."""
    return None


def node_health(
    store: Store,
    world: World,
    data_path: Path,
    watched: Callable[[], bool] = always_watched,
    trouble: Callable[[], Trouble | None] = never_troubled,
) -> Health:
    """Return the health of a node; it is not ready before `started()` is called.

    `watched` tells whether root lives, who starts the node again when it dies; `trouble` what the
    node's own use of the store met. Who shows no token learns the status and nothing else.
    """
    health = Health(
        "dreamnet", release=__version__, details=has_token, mute=True, wait_for_started=True
    )
    health.add(_store(store, trouble))
    health.add(_migrations(store))
    health.add(_part(world, "gateway"))
    health.add(_part(world, "room"))
    health.add(disk_space(data_path, LEAST_DISK, warn_below=LOW_DISK))
    health.add(_environments(world))
    health.add(_root(watched))
    return health


def _store(store: Store, trouble: Callable[[], Trouble | None]) -> Check:
    async def run() -> Finding:
        known = trouble()
        if known is not None:  # told from memory: asking would only wait
            return failed(f"since {known.since:%H:%M:%S} UTC: {known.words}")
        try:
            await store.read(lambda tx: tx.services.desired())
        except DreamNetError as error:
            return failed(str(error))
        return passed()

    return Check("store", run, timeout=STORE_TIMEOUT_S, max_age=0.5, component_type="datastore")


def _migrations(store: Store) -> Check:
    async def run() -> Finding:
        try:
            present, head = await store.at_head()
        except DreamNetError as error:
            return failed(f"the schema cannot be read: {type(error).__name__}")
        if present == head:
            return passed(value=present)
        return failed(f"the store is at {present or 'nothing'}, the code expects {head}", present)

    return Check(
        "migrations",
        run,
        timeout=STORE_TIMEOUT_S,
        max_age=10.0,
        component_type="datastore",
        measurement="version",
    )


def _root(watched: Callable[[], bool]) -> Check:
    async def run() -> Finding:
        if await asyncio.to_thread(watched):
            return passed()
        return warned("nobody starts this node again when it dies; mend: dreamnet up")

    return Check("root", run, critical=False, max_age=2.0)


def _part(world: World, part: str) -> Check:
    async def run() -> Finding:
        good = world.parts[part].good_in_row
        return passed(value=good) if good > 0 else failed(f"the {part} does not answer", 0)

    return Check(part, run, max_age=0.0, measurement="goodInRow")


def _environments(world: World) -> Check:
    async def run() -> Finding:
        names = ", ".join(sorted(world.env_problems))
        if not names:
            return passed(value=0)
        return warned(f"environment not complete: {names}", len(world.env_problems))

    return Check("environments", run, critical=False, max_age=0.0, measurement="incomplete")
