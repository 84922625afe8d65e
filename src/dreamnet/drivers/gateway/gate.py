"""Knows which endpoints Envoy itself found healthy, and tells the waiting room."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta

from dreamnet.drivers.gateway.admin import Admin, Host
from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.room_state import (
    PassedEndpoint,
    all_endpoints,
    room_state,
    wanted_endpoints,
)
from dreamnet.kernel.files import write_whole
from dreamnet.model.routes import RouteTable

GATE_LIMIT = timedelta(seconds=2)
_POLL_S = 0.005
_POLL_SHARE = 4  # a look at many endpoints costs: never more than a quarter of the time


class Gate:
    """Lets an endpoint count as ready once Envoy's own check passed."""

    def __init__(self, layout: Layout, admin: Admin) -> None:
        self._layout = layout
        self._admin = admin
        self._passed: frozenset[PassedEndpoint] = frozenset()
        self._written = ""
        self._written_for: tuple[RouteTable, frozenset[PassedEndpoint]] | None = None

    def announce(self, table: RouteTable) -> None:
        """Tell the room before Envoy is told: what loses its last endpoint holds from now on."""
        self._write(table)

    def note(self, table: RouteTable, hosts: Iterable[Host]) -> None:
        """Take in what Envoy sees now."""
        self._passed = _healthy(hosts)
        self._write(table)

    def forget(self) -> None:
        """Believe nothing any more: Envoy is gone, its next life checks anew."""
        self._passed = frozenset()

    def has_all(self, table: RouteTable) -> bool:
        """Tell whether every endpoint that should get traffic passed."""
        return wanted_endpoints(table) <= self._passed

    async def settle(self, old: RouteTable, new: RouteTable) -> None:
        """Wait until new endpoints passed and removed ones are gone, at most `GATE_LIMIT`.

        An old endpoint that does not pass (it hangs, say) holds nothing up.
        """
        awaited = wanted_endpoints(new) - wanted_endpoints(old)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GATE_LIMIT.total_seconds()
        while True:
            began = loop.time()
            hosts = await self._admin.hosts()
            self.note(new, hosts)
            if awaited <= self._passed and _listed(hosts) <= all_endpoints(new):
                return
            if loop.time() >= deadline:
                return
            await asyncio.sleep(max(_POLL_S, (loop.time() - began) * (_POLL_SHARE - 1)))

    def _write(self, table: RouteTable) -> None:
        known = self._written_for
        if known is not None and known[0] is table and known[1] == self._passed:
            return
        text = room_state(table, self._passed, self._layout.hold)
        if text != self._written:
            write_whole(self._layout.room_state, text)
            self._written = text
        self._written_for = table, self._passed


def _listed(hosts: Iterable[Host]) -> frozenset[PassedEndpoint]:
    return frozenset((host.service, host.address) for host in hosts if host.priority == 0)


def _healthy(hosts: Iterable[Host]) -> frozenset[PassedEndpoint]:
    return frozenset(
        (host.service, host.address) for host in hosts if host.priority == 0 and host.healthy
    )
