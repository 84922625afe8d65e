"""The life of a node: open, adopt, tick, and stop the way it was asked to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable

from dreamnet import __version__
from dreamnet.agents.keeper import run_keeper
from dreamnet.app.assembly import Node
from dreamnet.app.follow import Follower
from dreamnet.app.stopping import Stop, StopRequest
from dreamnet.app.waiting import open_store
from dreamnet.drivers.bus.base import Subscription
from dreamnet.drivers.store.base import Tx
from dreamnet.kernel.errors import DreamNetError
from dreamnet.kernel.log import logger
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.events import EventKind
from dreamnet.model.facts import PartDied
from dreamnet.model.instances import InstanceId
from dreamnet.model.services import ServiceName
from dreamnet.senses.life import watch_instances
from dreamnet.senses.parts import PartPulse, watch_parts
from dreamnet.web.meter import Meter
from dreamnet.web.server import Server, make_app

PRUNE_EVERY_S = 3600.0
RESERVE_EVERY_S = 0.5
ANNOUNCE_EVERY_S = 1.0
STOP_LIMIT_S = 50.0
# What a stop may take beyond the longest grace of a service.
STOP_MARGIN_S = 30.0
# What must rest before a stop: nobody may mistake our own stopping for something to be healed.
ACTING = (
    *("dreamkeeper", "deploykeeper", "weaver", "envkeeper", "relaybot", "weave", "follow"),
    *("life", "parts", "gateway-pulse", "room-pulse", "telemetry", "watcher", "heartbeat"),
    *("meter", "prune", "reserve"),
)

log = logger("node")


async def run(node: Node, stop: StopRequest, listener: socket.socket) -> Stop:
    """Run a node until it is told to stop; returns what it was told."""
    stop.listen()
    died = node.data.previous_death(node.clock)
    server = Server(make_app(node.handles), listener)
    async with Tasks("node") as tasks:
        tasks.loop("web", server.serve)
        try:
            await open_store(node, stop, server.url)
            await _open(node)
            if not stop.asked:  # a stop during the start: nothing of ours begins to act
                await _start(node, tasks, server.url, died)
            kind = await stop.wait()
            node.health.draining()
            await _close(node, kind, tasks)
        finally:
            await server.close()
    log.info("stopped", left_running="nothing" if kind is Stop.EVERYTHING else "services, gateway")
    return kind


async def _start(node: Node, tasks: Tasks, url: str, died: PartDied | None) -> None:
    _begin(node, tasks)
    if died is not None:
        node.world.apply(died)  # not through the bus: nobody may listen there yet
    if not await _is_announced(node, url, died):
        tasks.once("announce", lambda: _announce(node, url, died))
    node.health.started()
    log.info("node is up", url=url, gateway=str(node.settings.gateway.listen))


async def _is_announced(node: Node, url: str, died: PartDied | None) -> bool:
    """Say that this node runs; false when disk or store do not take it now."""
    try:
        node.data.write_record(url, __version__, node.world.clock.now())
        await _record(node, EventKind.NODE_STARTED, died)
    except (DreamNetError, OSError) as error:
        log.warning("the start is not on record yet", error=str(error))
        return False
    return True


async def _announce(node: Node, url: str, died: PartDied | None) -> None:
    is_announced = False
    while not is_announced:
        await asyncio.sleep(ANNOUNCE_EVERY_S)
        is_announced = await _is_announced(node, url, died)


async def _open(node: Node) -> None:
    await node.platform.open()
    # Last, for it starts processes: when it fails it ends what it started, and nothing else runs.
    await node.gateway.open()
    node.world.adopt(await node.platform.observe())


def _begin(node: Node, tasks: Tasks) -> None:
    keepers, clock, publish = node.keepers, node.world.clock, node.bus.publish
    facts = node.bus.subscribe()  # now, not in the task: what is published next is heard
    tasks.loop("facts", lambda: _listen(node, facts))
    tasks.loop("life", lambda: watch_instances(node.platform, publish, clock))
    tasks.loop("parts", lambda: watch_parts(node.gateway, publish, clock))
    tasks.loop("gateway-pulse", PartPulse("gateway", node.gateway, publish, clock).run)
    tasks.loop("room-pulse", PartPulse("room", node.gateway, publish, clock).run)
    tasks.loop("telemetry", node.telemetry.run)
    tasks.loop("watcher", node.watcher.run)
    tasks.loop("follow", Follower(node.world, keepers.envkeeper, node.prober).run)
    tasks.loop("weave", keepers.weaver.run)
    tasks.loop("meter", Meter(node.handles, node.bus).run)
    tasks.loop("keyring", node.handles.keyring.run)
    tasks.loop("prune", lambda: _prune_for_ever(node))
    tasks.loop("reserve", lambda: _keep_reserve(node))
    run_keeper(tasks, "relaybot", keepers.relaybot, node.ticks)
    run_keeper(tasks, "envkeeper", keepers.envkeeper, node.ticks)
    run_keeper(tasks, "weaver", keepers.weaver, node.ticks)
    run_keeper(tasks, "deploykeeper", keepers.deploykeeper, node.ticks)
    run_keeper(tasks, "dreamkeeper", keepers.dreamkeeper, node.ticks)
    tasks.loop("heartbeat", keepers.relaybot.beat)  # last: every keeper is expected by now


async def _listen(node: Node, facts: Subscription) -> None:
    """Feed the world; what a full queue lost is found by the keepers' own look each second."""
    async for fact in facts:
        node.world.apply(fact)


async def _close(node: Node, kind: Stop, tasks: Tasks) -> None:
    """Stop on purpose: first nobody acts any more, then traffic drains, then instances end."""
    log.info("stopping", what=str(kind))
    await _attempt("ledger", _record(node, EventKind.NODE_STOPPING, None, what=str(kind)))
    await tasks.drain_only(*ACTING)
    await node.keepers.deploykeeper.close()
    await node.prober.aclose()
    everything = kind is Stop.EVERYTHING
    graces = (spec.grace.total_seconds() for spec in node.world.services.values())
    limit_s = max(STOP_LIMIT_S, max(graces, default=0.0) + STOP_MARGIN_S)
    try:
        async with asyncio.timeout(limit_s):
            await _attempt("gateway", node.gateway.close(stop=everything))
            if everything:
                await _stop_instances(node)
    except TimeoutError:
        log.exception("not everything stopped in time", limit_s=limit_s)
    await node.platform.close()
    if kind is not Stop.AGAIN:
        with contextlib.suppress(OSError):  # a disk that may not be written keeps the record
            node.data.record.unlink(missing_ok=True)
    await node.store.close()


async def _stop_instances(node: Node) -> None:
    async def end(instance: InstanceId, service: ServiceName) -> None:
        spec = node.world.services.get(service)
        grace = spec.grace if spec is not None else node.settings.heal.stabilise
        await node.platform.stop(instance, grace)
        await node.platform.forget(instance)

    for _ in range(2):  # a start that was under way may have come in between
        observed = await node.platform.observe()
        await asyncio.gather(*(_attempt(one.id, end(one.id, one.service)) for one in observed))


async def _attempt(what: str, work: Awaitable[None]) -> None:
    """One thing that cannot be stopped or told must not keep the others running."""
    try:
        await work
    except (DreamNetError, OSError):
        log.exception("the stop goes on without this", what=what)


async def _record(node: Node, kind: EventKind, died: PartDied | None, **more: str) -> None:
    body = {"version": __version__, **more}
    if died is not None:
        body["previous"] = str(died.exit)
    now = node.world.clock.now()
    await node.store.tx(lambda tx: tx.ledger.append(kind, "node", body, now))


async def _keep_reserve(node: Node) -> None:
    while True:
        await asyncio.to_thread(node.data.reserve.look)
        await asyncio.sleep(RESERVE_EVERY_S)


async def _prune_for_ever(node: Node) -> None:
    keep = node.settings.retention

    def work(tx: Tx) -> None:
        now = node.world.clock.now()
        tx.cases.prune(now - keep.dreams)
        tx.messages.prune(now - keep.messages)
        tx.actions.prune(now - keep.actions)
        tx.answers.prune(now - keep.answers)
        tx.tokens.prune(now - keep.ledger)
        tx.ledger.prune(now - keep.ledger)

    while True:
        with contextlib.suppress(DreamNetError):  # told by whoever needs the store at once
            await node.store.tx(work)
        await asyncio.sleep(PRUNE_EVERY_S)
