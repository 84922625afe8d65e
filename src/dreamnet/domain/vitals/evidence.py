"""What a probe's answer proves: one that failed by time alone needs a punctual asker."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Protocol

# So much of the limit may our own lateness take; beyond it, it may well have made the time-out.
OWN_SHARE = 0.2


class Evidence(StrEnum):
    """What an answer is worth."""

    SAID = "said"  # an answer, good or bad, or a refusal: always counts
    SILENCE = "silence"  # nothing within the limit, and we were punctual
    NOTHING = "nothing"  # nothing within the limit, but we were late ourselves


class Timed(Protocol):
    """An answer with how late the asker was, in milliseconds."""

    @property
    def timed_out(self) -> bool:
        """Return whether nothing came within the limit."""
        ...

    @property
    def late_ms(self) -> float:
        """Return how late it was asked."""
        ...

    @property
    def overrun_ms(self) -> float:
        """Return how late the end of the limit was noted."""
        ...


def weigh(answer: Timed, limit: timedelta) -> Evidence:
    """Return what an answer to a probe with this time limit is worth."""
    if not answer.timed_out:
        return Evidence.SAID
    own = timedelta(milliseconds=answer.late_ms + answer.overrun_ms)
    return Evidence.NOTHING if own >= limit * OWN_SHARE else Evidence.SILENCE
