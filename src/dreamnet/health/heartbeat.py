"""Measures how late the event loop runs what is due."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from dreamnet.health.check import Check, Finding
from dreamnet.health.clock import steady_seconds, wall_clock
from dreamnet.health.report import Outcome
from dreamnet.health.status import Status


class Heartbeat:
    """A timer on the loop that notes by how many seconds each beat came late.

    `lag` is the worst of the last `window` seconds, the beat now overdue included. A short
    window lets a loop that was blocked once be well again at the next probe.
    """

    def __init__(
        self, limit: float, seconds: Callable[[], float] = steady_seconds, interval: float = 0.25
    ) -> None:
        self.limit = limit
        self.interval = interval
        self.window = 4 * interval
        self._seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._late: deque[tuple[float, float]] = deque(maxlen=16)

    def start(self) -> None:
        """Beat on the running loop; does nothing if it does so already."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        self.stop()
        self._loop = loop
        self._schedule(loop)

    def stop(self) -> None:
        """Stop beating and forget what was measured."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None
        self._late.clear()

    def lag(self) -> float:
        """Return the worst lateness of late, in seconds; 0.0 before the first beat is due."""
        if self._loop is None:
            return 0.0
        now = self._seconds()
        recent = (late for at, late in self._late if now - at <= self.window)
        return max(0.0, now - self._due, *recent)

    def outcome(self) -> Outcome:
        """Return the measurement as the outcome of a check."""
        lag = self.lag()
        late = lag > self.limit
        output = f"the event loop was {lag:.3f} s late, limit {self.limit:g} s" if late else ""
        status = Status.FAIL if late else Status.PASS
        return Outcome(LOOP_CHECK, Finding(status, output, round(lag, 4), "s"), wall_clock())

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = self._seconds() + self.interval
        self._timer = loop.call_later(self.interval, self._beat, loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        now = self._seconds()
        self._late.append((now, max(0.0, now - self._due)))
        self._schedule(loop)


LOOP_CHECK = Check("event-loop", lambda: None, component_type="system", measurement="lag")
