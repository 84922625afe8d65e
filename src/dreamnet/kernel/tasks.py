"""The only place that starts tasks: named, supervised, backed off and drained with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from dreamnet.kernel.errors import DreamNetError, Transient
from dreamnet.kernel.ids import fresh_random
from dreamnet.kernel.log import logger

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0

log = logger("tasks")


class Tasks:
    """A group of tasks that end together.

    `loop` runs for ever: when its body raises or returns it is logged and started again with
    back-off. `once` runs a body a single time; its error is logged, never lost.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._random = fresh_random()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.drain()

    def loop(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        """Run `body` for ever; a loop that ends is an error and is started again."""
        self._start(name, lambda: self._for_ever(name, body))

    def once(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        """Run `body` a single time in the background."""
        self._start(name, lambda: self._one_time(name, body))

    def _start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        # The work is made inside the task: one cancelled before its first step leaves nothing.
        async def run() -> None:
            await work()

        task = asyncio.create_task(run(), name=f"{self._name}.{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one_time(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        try:
            await body()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("task failed", group=self._name, task=name)

    async def _for_ever(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        pause = _FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await body()
                log.error("loop ended", group=self._name, task=name)
            except (asyncio.CancelledError, Exception) as error:
                if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                    raise
                self._tell(name, error, pause)
                if isinstance(error, Transient):  # it passes: be there soon after
                    pause = min(pause, _LONGEST_PAUSE_S / 4)
            if loop.time() - started > _LONGEST_PAUSE_S:
                pause = _FIRST_PAUSE_S
            # Not all at the same moment: what was away should not meet everybody at once.
            await asyncio.sleep(pause * self._random.uniform(0.5, 1.0))
            pause = min(_LONGEST_PAUSE_S, pause * 2)

    def _tell(self, name: str, error: BaseException, pause: float) -> None:
        """Say that a loop failed; only an unforeseen error needs to tell where."""
        if isinstance(error, DreamNetError):
            again = round(pause, 3)
            words = str(error)
            log.warning("loop failed", group=self._name, task=name, again_in_s=again, error=words)
        else:
            log.error("loop failed", group=self._name, task=name, again_in_s=pause, exc_info=error)

    async def drain_only(self, *names: str) -> None:
        """Cancel the named tasks and wait for their end; the others go on."""
        wanted = {f"{self._name}.{name}" for name in names}
        await self._end([task for task in self._tasks if task.get_name() in wanted], 5.0)

    async def drain(self, limit_s: float = 5.0) -> None:
        """Cancel every task and wait for the end of all, at most `limit_s` seconds."""
        await self._end(list(self._tasks), limit_s)

    async def _end(self, found: list[asyncio.Task[None]], limit_s: float) -> None:
        tasks = [task for task in found if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=limit_s)
        for task in late:
            log.error("task did not end", group=self._name, task=task.get_name(), limit_s=limit_s)


def _is_cancelled() -> bool:
    """Tell a cancellation of this task from one that leaked out of what its body awaited."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class Wake:
    """A level-triggered alarm clock: `ring` may be called any number of times, `wait` ends once.

    For one that waits at a time. A wait that ends by its limit raises nothing inside: there are
    thousands a second.
    """

    def __init__(self) -> None:
        self._rung = False
        self._waiting: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Let the next (or present) `wait` end."""
        self._rung = True
        if self._waiting is not None:
            _end(self._waiting)

    async def wait(self, limit_s: float) -> bool:
        """Wait until rung, at most `limit_s` seconds; true when it was rung."""
        if not self._rung:
            await self._sleep(limit_s)
        rung, self._rung = self._rung, False
        return rung

    async def _sleep(self, limit_s: float) -> None:
        loop = asyncio.get_running_loop()
        waiting = self._waiting = loop.create_future()
        timer = loop.call_later(limit_s, _end, waiting)
        try:
            await waiting
        finally:
            timer.cancel()
            self._waiting = None


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
