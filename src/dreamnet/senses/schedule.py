"""When to ask next: a steady beat, quicker while starting and while a failure is undecided."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

SHORTEST_S = 0.01  # no configuration makes a probe spin
_FIRST_LOOK_S = 0.05
_LONGEST_LOOK_S = 0.25
_LOOK_GROWTH = 1.5
_SECOND_LOOK_S = 0.2
_EARLY_S = 0.005  # event loops may run a timer a little before its time


class Randomness(Protocol):
    """What is used of `random.Random`."""

    def random(self) -> float:
        """Return a number from 0 up to, not including, 1."""
        ...


class Pace(Protocol):
    """What a plan follows: a probe, or a watch."""

    @property
    def interval(self) -> timedelta:
        """Return the longest gap between two questions."""
        ...

    @property
    def jitter(self) -> float:
        """Return the share of the interval that is varied at random."""
        ...

    @property
    def failures(self) -> int:
        """Return how many bad answers decide."""
        ...

    @property
    def successes(self) -> int:
        """Return how many good answers end the start."""
        ...


class Schedule:
    """The plan of one probe, in seconds of the monotonic clock; it neither waits nor asks.

    The interval is the longest gap: jitter only shortens it, so a hang is decided after at most
    interval + failures x timeout. Beats are counted from the plan, not from the answer (no drift);
    beats missed by a slow answer are skipped.
    """

    def __init__(
        self,
        pace: Pace,
        start_period: timedelta,
        rng: Randomness,
        second_look_s: float = _SECOND_LOOK_S,
    ) -> None:
        self._interval_s = max(SHORTEST_S, pace.interval.total_seconds())
        self._pace = pace
        self._second_look_s = second_look_s
        self._rng = rng
        self._start_period_s = start_period.total_seconds()
        self._starting_until = 0.0
        self._look_s = _FIRST_LOOK_S
        self._goods = 0
        self._bads = 0
        self.planned = 0.0
        self.hurried = True

    def begin(self, now: float, spread_s: float) -> None:
        """Plan the first question within `spread_s` from now."""
        self._starting_until = now + self._start_period_s
        self.planned = now + self._rng.random() * min(self._interval_s, spread_s)

    def after(self, *, good: bool, asked_at: float, now: float, least_s: float) -> None:
        """Plan the next question; `least_s` is the shortest hurried gap that the load allows."""
        self._count(good=good)
        gap = self._hurried_gap(now)
        self.hurried = gap is not None
        if gap is not None:
            self.planned = max(now, asked_at + min(self._interval_s, max(gap, least_s)))
        else:
            self._next_beat(asked_at, now)

    def _count(self, *, good: bool) -> None:
        self._goods, self._bads = (self._goods + 1, 0) if good else (0, self._bads + 1)
        if self._goods >= self._pace.successes:
            self._starting_until = 0.0

    def _hurried_gap(self, now: float) -> float | None:
        if now < self._starting_until:
            gap = self._look_s
            self._look_s = min(_LONGEST_LOOK_S, gap * _LOOK_GROWTH)
            return gap
        return self._second_look_s if 0 < self._bads < self._pace.failures else None

    def _next_beat(self, asked_at: float, now: float) -> None:
        if asked_at < self.planned - _EARLY_S and now < self.planned:
            return  # an extra question was asked between two beats
        self.planned += self._interval_s * (1.0 - self._pace.jitter * self._rng.random())
        if self.planned <= now:
            missed = int((now - self.planned) / self._interval_s) + 1
            self.planned += missed * self._interval_s
