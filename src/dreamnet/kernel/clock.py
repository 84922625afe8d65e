"""Time as a parameter: the system's clock in production, a test's own clock in tests."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

SLOWED = 0.9
"""How fast a steady clock goes while the wall clock is behind it."""


class Clock(Protocol):
    """Wall time for what is stored and shown, monotonic seconds for what is measured."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump; comparable between processes of one boot."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return CLOCK_MONOTONIC in seconds."""
        return time.monotonic()


class SteadyClock:
    """Wall time that never goes back, for whoever decides and stores by it.

    A wall clock that is set forward is followed at once. One that is set back is waited for: until
    it has caught up this clock goes on a tenth slower, so that no pause and no lease lasts an hour
    longer, and nothing that comes later looks as if it came before.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._shown = self._clock.now()
        self._shown_at_s = self._clock.monotonic()

    def now(self) -> datetime:
        """Return the time in UTC, never before what was returned or told before."""
        with self._lock:
            at_s = self._clock.monotonic()
            elapsed = timedelta(seconds=at_s - self._shown_at_s)
            self._shown = max(self._clock.now(), self._shown + elapsed * SLOWED)
            self._shown_at_s = at_s
            return self._shown

    def monotonic(self) -> float:
        """Return CLOCK_MONOTONIC in seconds."""
        return self._clock.monotonic()

    def not_before(self, at: datetime) -> None:
        """Go on from `at` if that is later: what was stored last, perhaps before a jump back."""
        with self._lock:
            self._shown = max(self._shown, at)


class ManualClock:
    """A clock that moves only when a test says so."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the time the test has set."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds the test has let pass."""
        return self._monotonic

    def advance(self, step: timedelta) -> None:
        """Let `step` pass on both clocks."""
        self._now += step
        self._monotonic += step.total_seconds()
