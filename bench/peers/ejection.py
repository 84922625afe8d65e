"""When a careful Envoy took a port out of traffic by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bench.peers.asking import ASK_EVERY_S
from dreamnet.drivers.gateway.admin import Admin
from dreamnet.drivers.gateway.layout import LOOPBACK
from dreamnet.kernel.errors import Unavailable
from dreamnet.model.address import Address
from dreamnet.testing.instant import now


async def instant_of_ejection(admin_port: int, ports: Sequence[int], until: float) -> float | None:
    """The first instant at which one of the ports is not healthy for Envoy; None if never."""
    admin = Admin(Address(host=LOOPBACK, port=admin_port))
    addresses = frozenset(f"{LOOPBACK}:{port}" for port in ports)
    try:
        while now() < until:
            if await _has_ejected(admin, addresses):
                return now()
            await asyncio.sleep(ASK_EVERY_S)
    finally:
        await admin.close()
    return None


async def _has_ejected(admin: Admin, addresses: frozenset[str]) -> bool:
    try:
        hosts = await admin.hosts()
    except Unavailable:
        return False
    return any(host.address in addresses and not host.healthy for host in hosts)
