"""Processes that outlive us: told apart from later ones with the same pid, watched, signalled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_PROC = Path("/proc")
_POLL_S = 0.05
_TICKS_PER_SECOND = 100  # only where /proc is missing: hundredths of a second since the epoch
_DEAD_STATES = frozenset("ZXx")


@dataclass(frozen=True)
class Identity:
    """A process that no later process can be mistaken for."""

    pid: int
    start_ticks: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Return who has `pid` now (a zombie too); None when nobody has."""
        ticks = start_ticks(pid)
        return None if ticks is None else cls(pid, ticks, boot_id())


@dataclass(frozen=True)
class ExitStatus:
    """How a child ended: exactly one of the two is set."""

    code: int | None = None
    signal: int | None = None


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Return what names this boot of the machine; another one after a reboot."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil  # noqa: PLC0415  # only where /proc is missing

        return f"boot-{psutil.boot_time():.0f}"


def start_ticks(pid: int) -> int | None:
    """Return when `pid` started, in the platform's unit; None when there is no such process."""
    if not _has_proc():
        return _portable_look(pid)[0]
    fields = _stat_fields(pid)
    return int(fields[19]) if fields else None


def is_alive(identity: Identity) -> bool:
    """Tell whether exactly this process still runs; a zombie is dead."""
    if identity.boot_id != boot_id():
        return False
    if not _has_proc():
        ticks, runs = _portable_look(identity.pid)
        return runs and ticks == identity.start_ticks
    fields = _stat_fields(identity.pid)
    return (
        bool(fields) and int(fields[19]) == identity.start_ticks and fields[0] not in _DEAD_STATES
    )


def signal_process(identity: Identity, number: signal.Signals) -> bool:
    """Send a signal to exactly this process, never to a later one with its pid.

    False when it is dead; PermissionError when it belongs to somebody else.
    """
    handle = _pidfd(identity.pid)
    try:
        if not is_alive(identity):  # asked after the handle was opened: the handle is this process
            return False
        if handle is None:
            os.kill(identity.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True


async def wait_exit(identity: Identity) -> None:
    """Return at the moment this process dies (pidfd; without it within 50 ms)."""
    ended = asyncio.get_running_loop().create_future()

    def note() -> None:
        if not ended.done():
            ended.set_result(None)

    stop = watch_exit(identity, note)
    try:
        await ended
    finally:
        stop()


def watch_exit(identity: Identity, callback: Callable[[], None]) -> Callable[[], None]:
    """Call `callback` once in the running loop when this process dies; returns what stops that.

    The callback comes from the loop, never before this function returned.
    """
    loop = asyncio.get_running_loop()
    handle = _pidfd(identity.pid)
    if not _exists(identity):
        _close(handle)
        return loop.call_soon(callback).cancel
    if handle is None:
        return _watch_by_polling(identity, callback)

    open_handles = [handle]

    def stop() -> None:
        while open_handles:
            loop.remove_reader(open_handles[-1])
            os.close(open_handles.pop())

    def ended() -> None:
        stop()
        callback()

    loop.add_reader(handle, ended)
    return stop


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


def command_line(pid: int) -> tuple[str, ...]:
    """Return the command line of `pid`; empty when it is gone or not ours to see."""
    if _has_proc():
        with contextlib.suppress(OSError):
            raw = (_PROC / str(pid) / "cmdline").read_bytes()
            return tuple(os.fsdecode(part) for part in raw.rstrip(b"\0").split(b"\0"))
        return ()
    import psutil  # noqa: PLC0415  # only where /proc is missing

    with contextlib.suppress(psutil.Error):
        return tuple(psutil.Process(pid).cmdline())
    return ()


def _watch_by_polling(identity: Identity, callback: Callable[[], None]) -> Callable[[], None]:
    loop = asyncio.get_running_loop()
    timer: list[asyncio.TimerHandle] = []

    def look() -> None:
        timer.clear()
        if is_alive(identity):
            timer.append(loop.call_later(_POLL_S, look))
        else:
            callback()

    def stop() -> None:
        while timer:
            timer.pop().cancel()

    timer.append(loop.call_later(_POLL_S, look))
    return stop


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # no such call here, or no such process
        return None


def _exists(identity: Identity) -> bool:
    """Tell whether it is there, maybe as a zombie: the first thread ends before the others do."""
    return identity.boot_id == boot_id() and start_ticks(identity.pid) == identity.start_ticks


def _close(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


@lru_cache(maxsize=1)
def _has_proc() -> bool:
    return (_PROC / "self/stat").exists()


def _stat_fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third (state) on; empty when it is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()  # the name in parentheses may hold anything


def _portable_look(pid: int) -> tuple[int | None, bool]:
    import psutil  # noqa: PLC0415  # only where /proc is missing

    try:
        process = psutil.Process(pid)
        runs = process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return int(process.create_time() * _TICKS_PER_SECOND), runs
    except psutil.Error:
        return None, False
