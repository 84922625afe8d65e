"""Time as a parameter: the system's clock in production, a test's own clock in tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


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
