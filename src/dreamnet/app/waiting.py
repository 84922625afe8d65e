"""The start of a node whose store is away: it waits, says so, and goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib

from dreamnet import __version__
from dreamnet.app.assembly import Node
from dreamnet.app.stopping import StopRequest
from dreamnet.drivers.store.base import Tx
from dreamnet.kernel.errors import Transient
from dreamnet.kernel.ids import fresh_random
from dreamnet.kernel.log import logger
from dreamnet.model.services import ServiceName

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0

log = logger("node")


async def open_store(node: Node, stop: StopRequest, url: str) -> None:
    """Open the store and take over the wanted numbers; waits while it is away, until a stop.

    Meanwhile the node is on record, so that commands find it and hear why it is not ready.
    """
    pause, chance = _FIRST_PAUSE_S, fresh_random()
    while not stop.asked:
        try:
            await asyncio.to_thread(node.data.require_room)
            await _open(node)
        except (Transient, OSError) as error:
            log.warning("waiting for the store", error=str(error))
        else:
            return
        with contextlib.suppress(OSError):  # on a full disk nobody is told; the waiting goes on
            node.data.write_record(url, __version__, node.world.clock.now())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause * chance.uniform(0.5, 1.0))
        pause = min(_LONGEST_PAUSE_S, pause * 2)


async def _open(node: Node) -> None:
    await node.store.open()
    await _go_on(node)
    await node.handles.keyring.open()
    configured = {
        ServiceName(name): spec.replicas.min for name, spec in node.settings.services.items()
    }

    def take_over(tx: Tx) -> dict[ServiceName, int]:
        if released := node.handles.desk.release(tx):
            log.info("taking up what the last node was performing", actions=released)
        return tx.services.adopt(configured)

    node.world.want(await node.store.tx(take_over))


async def _go_on(node: Node) -> None:
    """Let time go on where the last node left it, should the wall clock have been set back."""
    last = await node.store.read(lambda tx: tx.ledger.tail(1))
    if last:
        node.clock.not_before(last[-1].at)
    node.world.started_at = node.clock.now()
