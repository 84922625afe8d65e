"""Tells at once when a process has died, a child of ours or not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Protocol

from dreamnet.kernel.processes import Identity, open_handle

_POLL_S = 0.05

_Callback = Callable[[], None]
_Stop = Callable[[], None]
_Watch = Callable[[Identity, _Callback], _Stop]


class Deaths(Protocol):
    """Waits for deaths of processes that need not be our children."""

    async def ended(self, process: Identity) -> None:
        """Return as soon as `process` is dead (at once if it already is); may be cancelled."""
        ...


class PollingDeaths:
    """Looks again every 50 ms: works everywhere, sees a death 25 ms late on average."""

    async def ended(self, process: Identity) -> None:
        """Return when a look finds the process dead."""
        await _told(_watch_by_polling, process)


class PidfdDeaths:
    """Lets the Linux kernel wake the event loop: no polling, sees a death within a millisecond."""

    async def ended(self, process: Identity) -> None:
        """Return when the kernel says that the process is dead."""
        await wait_exit(process)


def best_deaths() -> Deaths:
    """Return the kernel's way where it exists and is allowed, otherwise polling."""
    handle = open_handle(os.getpid())
    if handle is None:
        return PollingDeaths()
    os.close(handle)
    return PidfdDeaths()


async def wait_exit(process: Identity) -> None:
    """Return at the moment this process dies (pidfd; without it within 50 ms)."""
    await _told(watch_exit, process)


async def _told(watch: _Watch, process: Identity) -> None:
    ended = asyncio.Event()
    stop = watch(process, ended.set)
    try:
        await ended.wait()
    finally:
        stop()


def watch_exit(process: Identity, callback: _Callback) -> _Stop:
    """Call `callback` once in the running loop when this process dies; returns what stops that.

    The callback comes from the loop, never before this function returned.
    """
    loop = asyncio.get_running_loop()
    handle = open_handle(process.pid)
    exists = _exists(process)  # asked after the handle was opened: the handle is this process
    if handle is not None and exists:
        return _watch_handle(handle, callback)
    if handle is not None:
        os.close(handle)
    if exists is False:
        return loop.call_soon(callback).cancel
    return _watch_by_polling(process, callback)  # no handle, or no look: late is better than never


def _watch_handle(handle: int, callback: _Callback) -> _Stop:
    loop = asyncio.get_running_loop()
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


def _watch_by_polling(process: Identity, callback: _Callback) -> _Stop:
    loop = asyncio.get_running_loop()
    timer: list[asyncio.Handle] = []

    def look() -> None:
        timer.clear()
        if _may_live(process):
            timer.append(loop.call_later(_POLL_S, look))
        else:
            callback()

    def stop() -> None:
        while timer:
            timer.pop().cancel()

    timer.append(loop.call_soon(look))
    return stop


def _may_live(process: Identity) -> bool:
    """A look that fails tells of no death."""
    try:
        return process.is_alive()
    except OSError:
        return True


def _exists(process: Identity) -> bool | None:
    """Tell whether it is there, maybe as a zombie: the first thread ends before the others do.

    None when that cannot be told.
    """
    try:
        return Identity.of(process.pid) == process
    except OSError:
        return None
