"""The one clock of load and faults: CLOCK_MONOTONIC, which all processes of a machine share."""

from __future__ import annotations

from dreamnet.kernel.clock import SystemClock

_CLOCK = SystemClock()


def now() -> float:
    """Seconds of CLOCK_MONOTONIC; comparable between processes of one boot, meaningless after."""
    return _CLOCK.monotonic()
