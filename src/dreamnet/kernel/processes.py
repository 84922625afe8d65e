"""Which process is meant: a pid is reused, a pid with its start time and boot is not."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

PROC = Path("/proc")
HAS_PROC = (PROC / "self" / "stat").exists()
_BOOT_ID = PROC / "sys" / "kernel" / "random" / "boot_id"
_DEAD_STATES = frozenset("ZXx")
_DEAD_STATUSES = frozenset({psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})
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

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Return who has `pid` now (a zombie too), None when nobody has; OSError as `read_stat`."""
        stat = read_stat(pid)
        return None if stat is None else identify(stat)

    def is_alive(self) -> bool:
        """Tell whether exactly this process runs (a zombie is dead); OSError as `read_stat`."""
        if self.boot_id != current_boot_id():
            return False
        stat = read_stat(self.pid)
        return stat is not None and not stat.is_dead and stat.start_ticks == self.start_ticks


@dataclass(frozen=True)
class ExitStatus:
    """How a child ended: exactly one of the two is set."""

    code: int | None = None
    signal: int | None = None


@cache
def current_boot_id() -> str:
    """Return the id of this boot; empty where start times are wall times and need none."""
    return _BOOT_ID.read_text(encoding="ascii").strip() if HAS_PROC else ""


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
        line = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse_stat(line)


def stat_without_proc(pid: int) -> Stat | None:
    """Return the same by portable means; the start time is then wall time."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            state = "Z" if process.status() in _DEAD_STATUSES else "S"
            started = round(process.create_time() * _TICKS_PER_S)
            parent = process.ppid()
        return Stat(pid, state, parent, os.getpgid(pid), os.getsid(pid), started)
    except (psutil.Error, OSError):
        return None


def identify(stat: Stat) -> Identity:
    """Return the identity of a process that was just seen."""
    return Identity(stat.pid, stat.start_ticks, current_boot_id())


def open_handle(pid: int) -> int | None:
    """Return a pidfd that keeps meaning who has `pid` now; the caller closes it.

    None where there is no such call, no such process or no file handle left.
    """
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def signal_process(process: Identity, number: signal.Signals) -> bool:
    """Send a signal to exactly this process, never to a later one with its pid.

    False when it is dead; PermissionError when it belongs to somebody else, OSError as `read_stat`.
    """
    handle = open_handle(process.pid)
    try:
        if not process.is_alive():  # asked after the handle was opened: the handle is this process
            return False
        if handle is None:
            os.kill(process.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True


def reap(pid: int) -> ExitStatus | None:
    """Return how our ended child `pid` ended; None when it runs or is nobody's we know of."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    if found == 0:
        return None
    if os.WIFSIGNALED(status):
        return ExitStatus(signal=os.WTERMSIG(status))
    return ExitStatus(code=os.waitstatus_to_exitcode(status))


def has_ended_child() -> bool:
    """Tell whether a child of ours waits to be reaped: one cheap call, however many there are."""
    if not hasattr(os, "waitid"):
        return True  # cannot be told: look at each
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


def reap_exactly(process: Identity) -> None:
    """Reap exactly this process if it is a dead child of ours; anything else is left alone."""
    stat = read_stat(process.pid)
    if stat is not None and stat.is_dead and stat.start_ticks == process.start_ticks:
        reap(process.pid)


def command_line(pid: int) -> tuple[str, ...]:
    """Return the command line of `pid`; empty when it is gone or not ours to see."""
    if HAS_PROC:
        with contextlib.suppress(OSError):
            raw = (PROC / str(pid) / "cmdline").read_bytes()
            return tuple(os.fsdecode(part) for part in raw.rstrip(b"\0").split(b"\0"))
        return ()
    with contextlib.suppress(psutil.Error):
        return tuple(psutil.Process(pid).cmdline())
    return ()
