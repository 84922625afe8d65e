"""Faults of real production, done on purpose; each gives the CLOCK_MONOTONIC instant it began."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from dreamnet.kernel.processes import Identity, open_handle
from dreamnet.testing.instant import now

_SWITCH_LIMIT_S = 3.0
_LOCK_LIMIT_S = 5.0


class FaultFailed(RuntimeError):
    """The fault could not be done; the message says why, and nothing was changed."""


def start_ticks(pid: int) -> int:
    """Start time of a process in clock ticks since boot, as /proc has it; FaultFailed if gone."""
    found = Identity.of(pid)
    if found is None:
        raise FaultFailed(f"there is no process {pid}")
    return found.start_ticks


def kill(pid: int, *, expected_start: int | None = None, group: bool = False) -> float:
    """SIGKILL a process (or its whole group) and return the instant.

    With `expected_start`, only if the process of this pid began at that tick; else FaultFailed.
    """
    return _send(pid, signal.SIGKILL, expected_start, group=group)


def freeze(pid: int, *, expected_start: int | None = None, group: bool = False) -> float:
    """SIGSTOP a process (or its whole group): alive, answers nothing. Returns the instant.

    A server with workers needs `group`: its master alone serves nothing.
    """
    return _send(pid, signal.SIGSTOP, expected_start, group=group)


def thaw(pid: int, *, expected_start: int | None = None, group: bool = False) -> float:
    """SIGCONT what `freeze` stopped; FaultFailed if it is gone. Returns the instant."""
    return _send(pid, signal.SIGCONT, expected_start, group=group)


def _send(pid: int, number: signal.Signals, expected_start: int | None, *, group: bool) -> float:
    if pid <= 1:
        raise FaultFailed(f"pid {pid} is not a process to hurt")
    if group and os.getpgid(0) == _group_of(pid):
        raise FaultFailed(f"process {pid} is in our own process group")
    handle = open_handle(pid)
    try:
        # Compared after opening the handle: from here on the pid cannot come to mean another.
        if expected_start is not None and start_ticks(pid) != expected_start:
            raise FaultFailed(f"process {pid} is not the one that was meant: it began later")
        instant = now()
        _deliver(pid, handle, number, group=group)
    except ProcessLookupError as error:
        raise FaultFailed(f"there is no process {pid}") from error
    finally:
        if handle is not None:
            os.close(handle)
    return instant


def _deliver(pid: int, handle: int | None, number: signal.Signals, *, group: bool) -> None:
    if group:
        os.killpg(_group_of(pid), number)
    elif handle is not None:
        signal.pidfd_send_signal(handle, number)
    else:
        os.kill(pid, number)


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError as error:
        raise FaultFailed(f"there is no process {pid}") from error


@asynccontextmanager
async def frozen(pid: int, *, group: bool = False) -> AsyncGenerator[float]:
    """A process that hangs while the block lasts; if it was replaced meanwhile, that is fine."""
    began = start_ticks(pid)
    instant = freeze(pid, expected_start=began, group=group)
    try:
        yield instant
    finally:
        with suppress(FaultFailed):
            thaw(pid, expected_start=began, group=group)


@asynccontextmanager
async def locked_database(path: Path) -> AsyncGenerator[float]:
    """An SQLite file on which nobody else can write while the block lasts; reads go on in WAL.

    FaultFailed if there is no such database or its lock is not had within 5 s. Do not open the
    file by other means in this process meanwhile: closing such a handle drops SQLite's locks.
    """
    connection = await asyncio.to_thread(_lock, path)
    try:
        yield now()
    finally:
        await asyncio.to_thread(_unlock, connection)


async def lock_database(path: Path, seconds: float) -> float:
    """Hold the write lock of an SQLite file for some seconds; returns the instant it began."""
    async with locked_database(path) as instant:
        await asyncio.sleep(seconds)
    return instant


def _lock(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=_LOCK_LIMIT_S,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.OperationalError as error:
        raise FaultFailed(f"cannot open the database {path.name}: {error}") from error
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        connection.close()
        raise FaultFailed(f"cannot lock the database {path.name}: {error}") from error
    return connection


def _unlock(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        connection.rollback()
    connection.close()


async def answer_errors(base_url: str, *, on: bool = True) -> float:
    """Make the shop at this address answer 500 on its business routes, or stop it doing so.

    Returns the instant of its answer. FaultFailed if it has no fault switches (SHOP_FAULTS=1).
    """
    limit = aiohttp.ClientTimeout(total=_SWITCH_LIMIT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, trust_env=False) as session,
            session.post(f"{base_url}/faults/errors", json={"on": on}) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, OSError) as error:
        raise FaultFailed(f"no answer from {base_url}: {error}") from error
    if status != 200:
        raise FaultFailed(
            f"{base_url}/faults/errors answered {status}; start the shop with SHOP_FAULTS=1"
        )
    return now()


@asynccontextmanager
async def answering_errors(base_url: str) -> AsyncGenerator[float]:
    """A shop process that answers 500 while the block lasts; its replacement is left alone."""
    instant = await answer_errors(base_url)
    try:
        yield instant
    finally:
        with suppress(FaultFailed):
            await answer_errors(base_url, on=False)


@asynccontextmanager
async def crashing_at_start(marker: Path) -> AsyncGenerator[float]:
    """The shop exits at once at every start while the block lasts (its SHOP_CRASH_FILE)."""
    await asyncio.to_thread(_place, marker)
    try:
        yield now()
    finally:
        await asyncio.to_thread(marker.unlink, missing_ok=True)


def _place(marker: Path) -> None:
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
