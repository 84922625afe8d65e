"""What the long-lived processes hold: files and memory, taken when all is quiet."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from tests.chaos.chaos_rig import Rig

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Vitals:
    """Open files and resident bytes of one process."""

    pid: int
    files: int
    resident: int


def take(rig: Rig) -> dict[str, Vitals]:
    """Return the vitals of node, gateway, room and root now."""
    pids = {
        "node": rig.node_pid(),
        "envoy": rig.part_pid("envoy"),
        "room": rig.part_pid("room"),
        "root": rig.root_pid(),
    }
    return {name: _of(pid) for name, pid in pids.items() if pid is not None}


def _of(pid: int) -> Vitals:
    process = psutil.Process(pid)
    with process.oneshot():
        return Vitals(pid, process.num_fds(), process.memory_info().rss)


def grown(before: dict[str, Vitals], after: dict[str, Vitals]) -> list[str]:
    """Return what holds clearly more than before.

    Files: an open request or a probe under way may add a few to what is always open. Memory:
    allocators keep what a busy moment needed, so a quarter and 10 MB more are no leak; a leak of
    one kilobyte for each request or probe would be seen after some minutes.
    """
    found: list[str] = []
    for name, then in before.items():
        now = after[name]
        if now.files > then.files + 12:
            found.append(f"{name}: {then.files} files, then {now.files}")
        if now.resident > then.resident * 1.25 + 10 * MEGABYTE:
            found.append(f"{name}: {then.resident:,} bytes, then {now.resident:,}")
    return found
