"""Finds out whether any instance of a service listens, without asking too often."""

from __future__ import annotations

import asyncio

TICK_S = 0.025
_DIAL_S = 0.5


class Dialler:
    """Knows whether an instance of a service listens; asks at most once a tick and service."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, int], ...], tuple[float, bool]] = {}
        self._asking: dict[tuple[tuple[str, int], ...], asyncio.Task[None]] = {}

    def listens(self, endpoints: tuple[tuple[str, int], ...]) -> bool | None:
        """Return what is known for this tick; None starts asking."""
        at, good = self._known.get(endpoints, (0.0, False))
        if asyncio.get_running_loop().time() - at <= TICK_S:
            return good
        if endpoints not in self._asking:
            task = asyncio.get_running_loop().create_task(self._ask(endpoints))
            self._asking[endpoints] = task
        return None

    async def asked(self, endpoints: tuple[tuple[str, int], ...]) -> None:
        """Wait until the question under way is answered."""
        task = self._asking.get(endpoints)
        if task is not None:
            await asyncio.wait([task])

    async def _ask(self, endpoints: tuple[tuple[str, int], ...]) -> None:
        try:
            answers = await asyncio.gather(*(_dial(host, port) for host, port in endpoints[:8]))
            if len(self._known) > 1000:
                self._known.clear()
            self._known[endpoints] = (asyncio.get_running_loop().time(), any(answers))
        finally:
            del self._asking[endpoints]


async def _dial(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_DIAL_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True
