"""The lock by which one root holds a data directory; it bears the pid of its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path

from dreamnet.kernel.clock import SystemClock

_PATIENCE_S = 0.5
_POLL_S = 0.01
_LOOKS = 10
_clock = SystemClock()


class AlreadyRunning(RuntimeError):
    """Another root holds this data directory; the text is its pid."""


@contextlib.contextmanager
def held(data_dir: Path) -> Generator[None]:
    """Hold a data directory; `AlreadyRunning` when another root does."""
    handle = os.open(data_dir / "root.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(handle)
        yield
    finally:
        os.close(handle)


def _take(handle: int) -> None:
    until = _clock.monotonic() + _PATIENCE_S  # `living_root` holds the lock for a moment
    while not _try(handle, fcntl.LOCK_EX):
        if _clock.monotonic() > until:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
            raise AlreadyRunning(holder or "unknown")
        time.sleep(_POLL_S)
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)


def living_root(data_dir: Path) -> int | None:
    """Return the pid of the root that holds this data directory, None when there is none.

    0 when somebody holds it who has not said who.
    """
    try:
        handle = os.open(data_dir / "root.lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        for _ in range(_LOOKS):
            if _try(handle, fcntl.LOCK_SH):
                return None
            if holder := os.pread(handle, 32, 0).strip():
                return int(holder) if holder.isdigit() else 0
            time.sleep(_POLL_S)
        return 0
    finally:
        os.close(handle)


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
