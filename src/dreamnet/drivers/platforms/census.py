"""One look at every process of this machine, shared by all who ask before it begins."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import psutil

from dreamnet.kernel.processes import HAS_PROC, PROC, Identity, Stat, identify, read_stat
from dreamnet.model.instances import InstanceId

MARK = "DREAMNET_INSTANCE"
_MARK = f"\0{MARK}=".encode()

_Groups = defaultdict[int, list[Identity]]
_Marked = defaultdict[str, list[Identity]]


@dataclass(frozen=True)
class Look:
    """The living processes, by the number of their session and by the instance they are marked as.

    The marks are empty when they were not looked for, and outside Linux.
    """

    sessions: Mapping[int, Sequence[Identity]]
    marks: Mapping[str, Sequence[Identity]]


class Census:
    """Looks for everybody who asks: hundreds of stops at once cost a few looks, not hundreds.

    A look begins after it was asked for, so whoever asks sees what was there at that moment.
    """

    def __init__(self) -> None:
        self._sessions = _Together(look_at_sessions)
        self._everything = _Together(look_at_everything)

    async def sessions(self) -> Look:
        """Return the sessions alone, which costs a tenth."""
        return await self._sessions.result()

    async def everything(self) -> Look:
        """Return sessions and marks."""
        return await self._everything.result()


class _Together:
    """Runs `work` in a thread, once for all who asked before it began; one run at a time."""

    def __init__(self, work: Callable[[], Look]) -> None:
        self._work = work
        self._asked: asyncio.Future[Look] | None = None
        self._running: asyncio.Future[Look] | None = None

    async def result(self) -> Look:
        """Return what a run yields that begins from now on."""
        if self._asked is None:
            loop = asyncio.get_running_loop()
            self._asked = loop.create_future()
            loop.call_soon(self._begin)  # not now: whoever asks in this turn of the loop joins
        return await asyncio.shield(self._asked)

    def _begin(self) -> None:
        if self._asked is None or self._running is not None:
            return
        asked, self._asked = self._asked, None
        self._running = asyncio.get_running_loop().run_in_executor(None, self._work)
        self._running.add_done_callback(partial(self._end, asked))

    def _end(self, asked: asyncio.Future[Look], done: asyncio.Future[Look]) -> None:
        self._running = None
        self._begin()
        error = done.exception()
        if error is None:
            asked.set_result(done.result())
        else:
            asked.set_exception(error)
            asked.exception()  # marked as seen: those who asked may all have given up


def look_at_sessions() -> Look:
    """Look at the sessions of every process; blocks."""
    sessions = _Groups(list)
    for stat in _living():
        sessions[stat.session].append(identify(stat))
    return Look(sessions, {})


def look_at_everything() -> Look:
    """Look at session and mark of every process; blocks."""
    sessions, marks = _Groups(list), _Marked(list)
    for stat in _living():  # before the environment is read: a reused pid cannot slip in
        sessions[stat.session].append(identify(stat))
        instance = _mark_of(stat.pid)
        if instance is not None:
            marks[instance].append(identify(stat))
    return Look(sessions, marks)


def bearers(instance: InstanceId) -> tuple[Identity, ...]:
    """Return the living processes whose environment bears the mark of `instance`; blocks."""
    return tuple(look_at_everything().marks.get(instance, ()))


def _living() -> Iterable[Stat]:
    for pid in psutil.pids():
        try:
            stat = read_stat(pid)
        except OSError:
            continue
        if stat is not None and not stat.is_dead:
            yield stat


def _mark_of(pid: int) -> str | None:
    if not HAS_PROC:
        return None
    try:
        environment = b"\0" + (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    at = environment.find(_MARK)
    if at < 0:
        return None
    value = environment[at + len(_MARK) :].split(b"\0", 1)[0]
    return os.fsdecode(value)
