"""Percentiles of durations, by nearest rank, so that every figure is a value that happened."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value at `share` (0 to 1) of an ascending sequence; 0.0 if it is empty."""
    if not ordered:
        return 0.0
    rank = max(1, math.ceil(share * len(ordered)))
    return ordered[rank - 1]


@dataclass(frozen=True, slots=True)
class Latency:
    """How long things took, in milliseconds; all zero when nothing was measured."""

    p50_ms: float = 0.0
    p90_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0

    @classmethod
    def of(cls, durations_s: Iterable[float]) -> Latency:
        """Summarise durations given in seconds, in any order."""
        ordered = sorted(durations_s)
        marks = (percentile(ordered, share) * 1000 for share in (0.5, 0.9, 0.99, 1.0))
        return cls(*(round(mark, 3) for mark in marks))
