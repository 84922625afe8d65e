"""What root knows of processes: its children are reaped, others are watched until they end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Generator

_PR_SET_CHILD_SUBREAPER = 36


def reaped() -> Generator[tuple[int, int]]:
    """Reap every child that has ended; yield its pid and its exit code (negative: a signal)."""
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if ended == 0:
                return
            yield ended, os.waitstatus_to_exitcode(status)


@contextlib.contextmanager
def death_of(pid: int | None) -> Generator[int | None]:
    """Give a handle that becomes readable when `pid`, not our child, dies; None without pidfd."""
    handle = None
    with contextlib.suppress(AttributeError, OSError):
        handle = None if pid is None else os.pidfd_open(pid)
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def become_subreaper() -> None:
    """On Linux, orphans of a dead node become root's children, so that root can reap them."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
