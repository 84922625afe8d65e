"""The package's own two clocks, since it may import nothing else of DreamNet."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter


def wall_clock() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one home of this package's clocks


def steady_seconds() -> float:
    """Return seconds of a clock that never jumps."""
    return perf_counter()
