"""The two processes of the gateway: found or started, watched, stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from dreamnet.drivers.gateway.admin import Admin
from dreamnet.drivers.gateway.base import Part
from dreamnet.drivers.gateway.commands import envoy_command, room_command
from dreamnet.drivers.gateway.files import read_text
from dreamnet.drivers.gateway.layout import Layout
from dreamnet.drivers.gateway.process import Detached
from dreamnet.drivers.gateway.room_client import RoomClient
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.errors import Unavailable
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.instances import Exit

_START_LIMIT_S = 10.0
_ADOPT_LIMIT_S = 3.0
_POLL_S = 0.005
_STOP_GRACE = timedelta(seconds=3)
_LOG_TAIL = 600


class Parts:
    """Envoy and the room of one folder."""

    def __init__(self, layout: Layout, admin: Admin, counters: RoomClient, clock: Clock) -> None:
        self._layout = layout
        self._admin = admin
        self._counters = counters
        self._clock = clock
        self._envoy = Detached("gateway", envoy_command(layout))
        self._room = Detached("room", room_command(layout))
        self._ends: asyncio.Queue[tuple[Part, Exit]] = asyncio.Queue()
        self._tasks = Tasks("gateway-parts")
        self._started: set[Detached] = set()

    def runs(self, part: Part) -> bool:
        """Tell whether a part is alive."""
        return self._process(part).runs

    async def adopt(self, part: Part) -> bool:
        """Take a running part over; one that runs but does not answer is ended."""
        process = self._process(part)
        if not process.adopt():
            return False
        if await self._answers(part, _ADOPT_LIMIT_S):
            self._watch(process)
            return True
        await process.stop(_STOP_GRACE)
        return False

    async def start(self, part: Part) -> None:
        """Start a part and wait until it answers; `Unavailable` with its last words if not."""
        process = self._process(part)
        self._started.add(process)
        process.start()
        if not await self._answers(part, _START_LIMIT_S):
            await process.stop(_STOP_GRACE)
            raise Unavailable(f"the {part} did not start: {self._last_words(part)}")
        self._watch(process)

    async def answers(self, part: Part) -> bool:
        """Tell whether a part answers now, whatever it says."""
        return await (self._room_answers() if part == "room" else self._admin.answers())

    async def kill(self, part: Part) -> None:
        """End a part that hangs: SIGKILL, for it would not hear SIGTERM."""
        await self._process(part).stop(timedelta(0))

    async def ends(self) -> AsyncIterator[tuple[Part, Exit]]:
        """Yield each part that dies, at once."""
        while True:
            yield await self._ends.get()

    async def close(self, *, stop: bool) -> None:
        """Stop watching; with `stop` end both, Envoy first."""
        await self._tasks.drain()
        if stop:
            await self._envoy.stop(_STOP_GRACE)
            await self._room.stop(_STOP_GRACE)

    async def undo(self) -> None:
        """Stop watching and end what was started here; what was adopted goes on."""
        await self._tasks.drain()
        for process in self._started:
            await process.stop(_STOP_GRACE)

    def _process(self, part: Part) -> Detached:
        return self._room if part == "room" else self._envoy

    def _watch(self, process: Detached) -> None:
        async def wait() -> None:
            await process.ended()
            exit_ = process.exit(self._clock.now())
            if not exit_.expected:
                self._ends.put_nowait((process.part, exit_))

        self._tasks.once(f"watch-{process.part}", wait)

    async def _answers(self, part: Part, limit_s: float) -> bool:
        ask = self._room_answers if part == "room" else self._admin.is_live
        return await _becomes(ask, lambda: self.runs(part), limit_s)

    async def _room_answers(self) -> bool:
        try:
            await self._counters.counters()
        except Unavailable:
            return False
        return True

    def _last_words(self, part: Part) -> str:
        name = "room.log" if part == "room" else "envoy.log"
        text = read_text(self._layout.folder / name) or "it said nothing"
        return text.strip()[-_LOG_TAIL:]


async def _becomes(
    ask: Callable[[], Awaitable[bool]], still: Callable[[], bool], limit_s: float
) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while still() and loop.time() < deadline:
        if await ask():
            return True
        await asyncio.sleep(_POLL_S)
    return False
