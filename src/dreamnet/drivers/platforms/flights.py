"""Work that runs once however many ask for it, and goes on when those who asked give up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dreamnet.kernel.errors import Unavailable
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.instances import Instance

Work = Callable[[], Awaitable[Instance]]


class Flights:
    """Joins callers of the same work while it is under way."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._flying: dict[str, asyncio.Future[Instance]] = {}

    async def join(self, name: str, work: Work) -> Instance:
        """Return the result of the work under way called `name`, starting it if there is none."""
        future = self._flying.get(name)
        if future is None:
            future = self._flying[name] = asyncio.get_running_loop().create_future()
            arrived = future

            async def fly() -> None:
                await self._fly(name, arrived, work)

            self._tasks.once(name, fly)
        return await asyncio.shield(future)

    async def _fly(self, name: str, future: asyncio.Future[Instance], work: Work) -> None:
        try:
            _arrive(future, await work())
        except Exception as error:  # noqa: BLE001 - handed to everybody who asked
            _fail(future, error)
        finally:
            del self._flying[name]

    def abandon(self) -> None:
        """Tell everybody who still waits that nothing will come."""
        for name, future in self._flying.items():
            _fail(future, Unavailable(f"the platform was closed during: {name}"))


def _arrive(future: asyncio.Future[Instance], result: Instance) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Instance], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # marked as seen: those who asked may all have given up
