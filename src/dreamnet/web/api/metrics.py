"""Prometheus metrics of the node and of every service."""

import asyncio
from collections import Counter

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response

from dreamnet.agents.world import InstanceSeen
from dreamnet.drivers.store.base import Tx
from dreamnet.kernel.errors import DreamNetError
from dreamnet.kernel.metrics import CONTENT_TYPE
from dreamnet.model.cases import CaseKind
from dreamnet.model.instances import InstanceState, Usage
from dreamnet.web.face import Node
from dreamnet.web.families import CPU, DESIRED, HALTED, LIVE_DREAMS, MEMORY
from dreamnet.web.handles import Handles
from dreamnet.web.outside import outside_families
from dreamnet.web.views import usage_of

NEWEST_MESSAGES = 500

router = APIRouter(tags=["metrics"])


@router.get(
    "/metrics", responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
async def get_metrics(node: Node) -> Response:
    """Return every metric in Prometheus' text format.

    Messages are counted by state among the newest 500. A store that does not answer leaves its
    gauges as they were: metrics are wanted most when something is wrong.
    """
    _set_instances(node)
    live = await _from_store(node)
    usages = await _usages(node)
    return Response(
        node.metrics.render() + _render_now(node, usages, live), media_type=CONTENT_TYPE
    )


def _set_instances(node: Handles) -> None:
    node.metrics.know([*node.world.services, *node.world.outside.watches])
    for name in node.world.services:
        seen = node.world.of_service(name)
        states = Counter(str(one.instance.state) for one in seen)
        by_state = {str(state): states[str(state)] for state in InstanceState}
        ready = sum(1 for one in seen if one.is_ready and not one.withdrawn)
        node.metrics.instances(name, by_state, ready=ready)


async def _from_store(node: Handles) -> int | None:
    def count(tx: Tx) -> tuple[Counter[str], int]:
        states = Counter(str(one.state) for one in tx.messages.recent(NEWEST_MESSAGES))
        return states, len(tx.cases.live(CaseKind.DREAM))

    try:
        states, live = await node.store.read(count)
    except DreamNetError:
        return None
    node.metrics.messages(states)
    return live


async def _usages(node: Handles) -> list[tuple[InstanceSeen, Usage]]:
    seen = [one for one in node.world.instances.values() if one.running]
    found = await asyncio.gather(*(usage_of(node, one) for one in seen))
    return [(one, usage) for one, usage in zip(seen, found, strict=True) if usage is not None]


class _Now(Collector):
    """What is read at the moment of asking and kept nowhere."""

    def __init__(
        self, node: Handles, usages: list[tuple[InstanceSeen, Usage]], live: int | None
    ) -> None:
        self._node = node
        self._usages = usages
        self._live = live

    def collect(self) -> list[GaugeMetricFamily | CounterMetricFamily]:
        """Return the families."""
        desired = DESIRED.gauge()
        for name in self._node.world.services:
            desired.add_metric([name], self._node.world.desired.get(name, 0))
        halted = HALTED.gauge(self._node.desk.halted())
        return [desired, halted, *self._dreams(), *self._usage(), *outside_families(self._node)]

    def _dreams(self) -> list[GaugeMetricFamily]:
        if self._live is None:
            return []
        return [LIVE_DREAMS.gauge(self._live)]

    def _usage(self) -> list[GaugeMetricFamily | CounterMetricFamily]:
        memory, cpu = MEMORY.gauge(), CPU.counter()
        totals: dict[tuple[str, str], tuple[int, float]] = {}
        for seen, usage in self._usages:
            place = (str(seen.instance.service), str(seen.instance.slot))
            rss, seconds = totals.get(place, (0, 0.0))
            totals[place] = (rss + usage.rss_bytes, seconds + usage.cpu_seconds)
        for place, (rss, seconds) in totals.items():
            memory.add_metric(list(place), rss)
            cpu.add_metric(list(place), seconds)
        return [memory, cpu]


def _render_now(node: Handles, usages: list[tuple[InstanceSeen, Usage]], live: int | None) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Now(node, usages, live))
    return generate_latest(registry)
