"""Which process is meant: a pid is reused, a pid with its start time and boot is not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

PROC = Path("/proc")
HAS_PROC = (PROC / "self" / "stat").exists()
_BOOT_ID = PROC / "sys" / "kernel" / "random" / "boot_id"
_DEAD_STATES = frozenset("ZXx")
_TICKS_PER_S = 100


@dataclass(frozen=True)
class Stat:
    """What the kernel says of one process; `start_ticks` is in 1/100 s (since boot on Linux)."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_ticks: int

    @property
    def is_dead(self) -> bool:
        """True for a zombie: it runs nothing any more, somebody only has to reap it."""
        return self.state in _DEAD_STATES


@dataclass(frozen=True)
class Identity:
    """One process of one boot; never equal to a later process with the same pid."""

    pid: int
    start_ticks: int
    boot_id: str

    def is_alive(self) -> bool:
        """Return whether exactly this process still runs; zombies are dead."""
        if self.boot_id != current_boot_id():
            return False
        stat = read_stat(self.pid)
        return stat is not None and not stat.is_dead and stat.start_ticks == self.start_ticks


@cache
def current_boot_id() -> str:
    """Return the id of this boot; empty where start times are wall times and need none."""
    return _BOOT_ID.read_text().strip() if HAS_PROC else ""


def parse_stat(line: str) -> Stat | None:
    """Return what a line of `/proc/PID/stat` says; None when it is cut or garbled.

    The command name may hold spaces and brackets, so fields count from the last bracket.
    """
    try:
        fields = line[line.rindex(")") + 2 :].split()
        return Stat(
            pid=int(line.split(" ", 1)[0]),
            state=fields[0],
            parent=int(fields[1]),
            group=int(fields[2]),
            session=int(fields[3]),
            start_ticks=int(fields[19]),
        )
    except (ValueError, IndexError):
        return None


def read_stat(pid: int) -> Stat | None:
    """Return what the kernel says of `pid` now; None when there is no such process.

    OSError when that cannot be told (no file handles left): never taken for a death.
    """
    if not HAS_PROC:
        return stat_without_proc(pid)
    try:
        line = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse_stat(line)


def stat_without_proc(pid: int) -> Stat | None:
    """Return the same by portable means; the start time is then wall time."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            state = "Z" if process.status() == psutil.STATUS_ZOMBIE else "S"
            started = round(process.create_time() * _TICKS_PER_S)
            parent = process.ppid()
        return Stat(pid, state, parent, os.getpgid(pid), os.getsid(pid), started)
    except (psutil.Error, OSError):
        return None


def identify(stat: Stat) -> Identity:
    """Return the identity of a process that was just seen."""
    return Identity(stat.pid, stat.start_ticks, current_boot_id())
