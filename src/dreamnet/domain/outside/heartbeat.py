"""Whether this node may tell the outside that it is well: only while it can heal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Keepers look each second and the store answers in milliseconds. A database that moves to another
# machine takes seconds; a node that is slower than this heals nobody.
LIMIT_S = 15.0


@dataclass(frozen=True)
class Signs:
    """Signs of life, in seconds of the monotonic clock, which no change of the date moves.

    `ticked` tells when each keeper last ended a look (None: not yet), and with them that the event
    loop turns; `wrote` when the store last took a write. Whether DreamNet is halted is none: that
    is somebody's will.
    """

    ticked: Mapping[str, float | None]
    wrote: float | None


def should_beat(signs: Signs, now: float) -> bool:
    """Return whether the node is really alive and able to heal."""
    return not what_hinders(signs, now)


def what_hinders(signs: Signs, now: float) -> str:
    """Return in words why the node may not say that it is well; empty when it may."""
    if not signs.ticked:
        return "no agent runs"
    late = sorted(name for name, at in signs.ticked.items() if _is_late(at, now))
    if late:
        return f"no sign of {', '.join(late)} for {LIMIT_S:g} s"
    if _is_late(signs.wrote, now):
        return f"the store took no write for {LIMIT_S:g} s"
    return ""


def _is_late(at: float | None, now: float) -> bool:
    return at is None or now - at > LIMIT_S
