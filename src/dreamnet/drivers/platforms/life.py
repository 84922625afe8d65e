"""The life of one instance: launched or adopted, watched, stopped, cleared up after."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dreamnet.drivers.platforms.census import Census, bearers
from dreamnet.drivers.platforms.command import CannotRun
from dreamnet.drivers.platforms.folders import InstanceFolder
from dreamnet.drivers.platforms.logfile import LogFile
from dreamnet.drivers.platforms.sessions import Session, send
from dreamnet.drivers.platforms.wrapper import Launch, Recorded, launch, read_exit, read_pid
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.deaths import Deaths
from dreamnet.kernel.errors import Unavailable
from dreamnet.kernel.log import logger
from dreamnet.kernel.processes import reap, reap_exactly
from dreamnet.model.instances import Exit, Instance, InstanceState, Usage

_PID_LIMIT_S = 10.0
_STATUS_LIMIT_S = 0.5
_KILL_LIMIT_S = 5.0
_LEFTOVER_GRACE_S = 2.0
_LOOK_S = 0.02

log = logger("platform")


@dataclass(frozen=True)
class Around:
    """What every life needs from its platform."""

    clock: Clock
    deaths: Deaths
    publish: Callable[[Instance], None]
    census: Census


class Life:
    """One instance from its process's first to its last moment."""

    def __init__(
        self, instance: Instance, folder: InstanceFolder, logs: LogFile, around: Around
    ) -> None:
        self.instance = instance
        self.folder = folder
        self.logs = logs
        self.cleaned = asyncio.Event()
        self._ended = asyncio.Event()
        self._around = around
        self._session: Session | None = None
        self._leave_until = 0.0
        self._is_stopping = False

    # -- how it begins

    async def launch(
        self, folder: str, command: tuple[str, ...], environment: dict[str, str]
    ) -> None:
        """Start `command` in `folder`; CannotRun when that can never work, Unavailable or OSError
        when it may work later.
        """
        what = Launch(
            label=f"dreamnet {self.instance.id}",
            run=self.folder.run,
            folder=folder,
            command=command,
            environment=environment,
        )
        wrapper = await asyncio.to_thread(self._spawn, what)
        self._know(await self._await_pid(wrapper), is_fresh=True)
        self._become(InstanceState.RUNNING)

    def _spawn(self, what: Launch) -> int:
        self.folder.open_run()
        handle = self.logs.open_for_append()
        try:
            return launch(what, handle)
        except OSError as error:
            if error.errno == errno.E2BIG:
                raise CannotRun("command and variables are too long for the kernel") from error
            raise
        finally:
            os.close(handle)

    async def _await_pid(self, wrapper: int) -> Recorded:
        loop = asyncio.get_running_loop()
        until, pause, has_ended = loop.time() + _PID_LIMIT_S, 0.001, False
        while True:
            has_ended = has_ended or reap(wrapper) is not None
            recorded = read_pid(self.folder.run, self.instance.boot_id)
            if recorded is not None:
                return recorded
            if has_ended or loop.time() > until:
                await asyncio.to_thread(self._give_up)
                why = "its wrapper ended early; is the disk full?" if has_ended else "too slow"
                raise Unavailable(f"{self.instance.id} did not begin: {why}")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LOOK_S)

    def _give_up(self) -> None:
        if not self.folder.void():
            self._remove_stray()

    async def adopt(self) -> bool:
        """Take over what an earlier node left; false when the start never happened."""
        end = await asyncio.to_thread(self.folder.end)
        if end is not None:
            self._adopt_ended(end)
            return True
        if await asyncio.to_thread(self.folder.void):
            return False
        recorded = await self._recorded_pid()
        if recorded is None:
            await asyncio.to_thread(self._remove_stray)
            return False
        is_alive = recorded.application.is_alive()
        self._know(recorded, is_fresh=is_alive)
        if not is_alive:
            self._end(await self._observe_end())
        elif self.folder.is_stopping():
            self._become(InstanceState.STOPPING)
        return True

    def _adopt_ended(self, end: Exit) -> None:
        recorded = read_pid(self.folder.run, self.instance.boot_id)
        if recorded is not None:
            self._know(recorded, is_fresh=False)
        self._end(end)
        self.cleaned.set()

    async def _recorded_pid(self) -> Recorded | None:
        """Return whom the wrapper started; it may be writing this very moment."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _LEFTOVER_GRACE_S
        while (recorded := read_pid(self.folder.run, self.instance.boot_id)) is None:
            if loop.time() > until:
                return None
            await asyncio.sleep(_LOOK_S)
        return recorded

    def _remove_stray(self) -> None:
        for process in bearers(self.instance.id):
            send(process, signal.SIGKILL)
        self.folder.remove()

    def _know(self, recorded: Recorded, *, is_fresh: bool) -> None:
        self._session = Session(self.instance.id, recorded, is_fresh)
        application = recorded.application
        self.instance = self.instance.model_copy(
            update={"pid": application.pid, "start_ticks": application.start_ticks}
        )

    # -- how it is watched

    async def watch(self) -> None:
        """Wait for the application's death, tell it at once, then clear up what it left."""
        if not self._ended.is_set() and self._session is not None:
            await self._around.deaths.ended(self._session.recorded.application)
            self._end(await self._observe_end())
        if not self.cleaned.is_set():
            await self._clear_up()

    async def usage(self) -> Usage | None:
        """Return what its processes use; None when it has ended."""
        if self._session is None or self._ended.is_set():
            return None
        look = await self._around.census.sessions()
        return await asyncio.to_thread(self._session.usage, look)

    def reap_wrapper(self) -> None:
        """Reap a wrapper that was killed while its application lives."""
        if self._session is not None and self._session.recorded.wrapper is not None:
            reap_exactly(self._session.recorded.wrapper)

    # -- how it ends

    async def refuse(self, reason: str) -> None:
        """Record that it could never run."""
        end = Exit(at=self._around.clock.now(), reason=reason)
        await asyncio.to_thread(self.folder.write_end, end)
        self._end(end)
        self.cleaned.set()

    async def stop(self, grace: timedelta) -> Instance:
        """SIGTERM, after `grace` SIGKILL; returns once nothing of it is left."""
        if not self._ended.is_set() and self._session is not None:
            await asyncio.to_thread(self._mark_stopping)
            await self._bring_down(self._session, grace.total_seconds())
        if not await _happens(self.cleaned, _KILL_LIMIT_S + grace.total_seconds()):
            raise Unavailable(f"{self.instance.id}: some of its processes do not die")
        return self.instance

    def _mark_stopping(self) -> None:
        """Record that the end is expected; a disk that may not be written keeps nobody running."""
        self._is_stopping = True
        try:
            self.folder.mark_stopping()
        except OSError as error:
            log.warning("stop not recorded", instance=self.instance.id, error=str(error))

    async def _bring_down(self, session: Session, grace_s: float) -> None:
        self._leave_until = asyncio.get_running_loop().time() + grace_s
        if self._ended.is_set():
            return
        self._become(InstanceState.STOPPING)
        await asyncio.to_thread(session.terminate, await self._around.census.everything())
        if await _happens(self._ended, grace_s):
            return
        await asyncio.to_thread(session.kill, await self._around.census.everything())
        if not await _happens(self._ended, _KILL_LIMIT_S):
            raise Unavailable(f"{self.instance.id} has not died of SIGKILL; the kernel holds it")

    async def _observe_end(self) -> Exit:
        """Read the status, which the wrapper writes some milliseconds after the death."""
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + _STATUS_LIMIT_S, 0.001
        while True:
            is_last = loop.time() > until or not self._wrapper_lives()
            status = read_exit(self.folder.run)
            if status is not None or is_last:
                break
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LOOK_S)
        is_expected = self._is_stopping or self.folder.is_stopping()
        if status is None:
            return Exit(at=self._around.clock.now(), expected=is_expected)
        is_old = self._session is None or not self._session.is_fresh
        at = datetime.fromtimestamp(status.at, UTC) if is_old else self._around.clock.now()
        return Exit(at=at, code=status.code, signal=status.signal, expected=is_expected)

    def _wrapper_lives(self) -> bool:
        wrapper = self._session.recorded.wrapper if self._session is not None else None
        return wrapper is not None and wrapper.is_alive()

    def _end(self, end: Exit) -> None:
        self.instance = self.instance.model_copy(update={"exit": end})
        self._become(InstanceState.EXITED)
        self._ended.set()

    def _become(self, state: InstanceState) -> None:
        self.instance = self.instance.model_copy(update={"state": state})
        self._around.publish(self.instance)

    async def _clear_up(self) -> None:
        """Leave no process of it, reap what is ours, then record the end: in this order, so that
        a node killed in between starts again here.
        """
        session, end = self._session, self.instance.exit
        if session is None or end is None:
            return
        await self._drain_leftovers(session, is_expected=end.expected)
        await self._end_wrapper(session)
        try:
            await asyncio.to_thread(self.folder.write_end, end)
        except OSError:
            log.exception("end of instance not recorded", instance=self.instance.id)
        self.cleaned.set()

    async def _drain_leftovers(self, session: Session, *, is_expected: bool) -> None:
        loop = asyncio.get_running_loop()
        census = self._around.census
        left = session.everything(await census.everything())
        if left and not is_expected:  # a stop has sent SIGTERM to all of them already
            self._leave_until = loop.time() + _LEFTOVER_GRACE_S
            for process in left:
                send(process, signal.SIGTERM)
                send(process, signal.SIGCONT)
        while left and loop.time() < self._leave_until:
            await asyncio.sleep(_LOOK_S)
            left = tuple(process for process in left if process.is_alive())
        until = max(loop.time(), self._leave_until) + _KILL_LIMIT_S
        while session.everything(look := await census.everything()):
            if loop.time() > until:
                log.error("processes do not die", instance=self.instance.id)
                return
            await asyncio.to_thread(session.kill, look)
            await asyncio.sleep(_LOOK_S)

    async def _end_wrapper(self, session: Session) -> None:
        wrapper = session.recorded.wrapper
        reap_exactly(session.recorded.application)
        if wrapper is None:
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + _STATUS_LIMIT_S
        while wrapper.is_alive():
            if loop.time() > until:
                send(wrapper, signal.SIGKILL)
            await asyncio.sleep(_LOOK_S / 4)
        reap_exactly(wrapper)


async def _happens(event: asyncio.Event, limit_s: float) -> bool:
    try:
        async with asyncio.timeout(max(0.0, limit_s)):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
