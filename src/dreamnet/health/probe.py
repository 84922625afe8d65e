"""The questions a health endpoint answers and where."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Probe(StrEnum):
    """Live: the process works. Ready: it may get traffic. Startup: it has begun. Combined: all."""

    LIVE = "live"
    READY = "ready"
    STARTUP = "startup"
    COMBINED = "combined"


def probe_paths(prefix: str, ready_alias: str | None) -> Mapping[str, Probe]:
    """Return the probe of each path; raises ValueError on a prefix without its leading slash."""
    root = prefix.rstrip("/")
    for path in (root, ready_alias):
        if path and not path.startswith("/"):
            message = f"health paths start with a slash, got {path!r}"
            raise ValueError(message)
    paths = {f"{root}/{probe}": probe for probe in (Probe.LIVE, Probe.READY, Probe.STARTUP)}
    paths[root or "/"] = Probe.COMBINED
    if not root:
        paths[""] = Probe.COMBINED  # a mounted application is asked for "" at its root
    if ready_alias:
        paths[ready_alias] = Probe.READY
    return paths
