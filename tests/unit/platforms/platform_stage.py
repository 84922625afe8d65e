"""A process platform on a temporary folder, and looks at the real processes of a test."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from dreamnet.drivers.platforms.base import Start
from dreamnet.drivers.platforms.process import ProcessPlatform
from dreamnet.kernel.clock import SystemClock
from dreamnet.model.instances import Instance, InstanceId, InstanceState
from dreamnet.model.services import LogLimits, ServiceName, ServiceSpec, Slot

GRACE = timedelta(seconds=5)
PATH = "/usr/local/bin:/usr/bin:/bin"
LIMIT_S = 15
_LOGS = LogLimits()


@dataclass
class Stage:
    """A platform and the folder that everything of the test is in."""

    platform: ProcessPlatform
    folder: Path

    async def start(
        self, run: str, key: str = "first", logs: LogLimits = _LOGS, **variables: str
    ) -> Instance:
        spec = ServiceSpec(name=ServiceName("shop"), folder=str(self.folder), run=run, logs=logs)
        return await self.platform.start(Start(spec, Slot(1), {"PATH": PATH} | variables), key)

    async def python(self, code: str, key: str = "first") -> Instance:
        """Start Python code; it shows that it is set up by logging `ready`."""
        program = shlex.join([sys.executable, "-I", "-S", "-u", "-c", code]).replace("$", "$$")
        instance = await self.start(program, key)
        await self.until_line(instance.id, "ready")
        return instance

    async def python_logging(self, code: str, logs: LogLimits) -> Instance:
        """Start Python code whose log has limits."""
        program = shlex.join([sys.executable, "-I", "-S", "-u", "-c", code]).replace("$", "$$")
        return await self.start(program, logs=logs)

    async def again(self) -> None:
        await self.platform.close()
        self.platform = await opened(self.folder)

    async def the(self, instance: InstanceId) -> Instance:
        return next(each for each in await self.platform.observe() if each.id == instance)

    async def lines(self, instance: InstanceId) -> list[str]:
        return [each async for each in self.platform.logs(instance, lines=1000, follow=False)]

    async def until_line(self, instance: InstanceId, line: str) -> None:
        async with asyncio.timeout(LIMIT_S):
            while line not in await self.lines(instance):
                await asyncio.sleep(0.02)

    async def until_exited(self, instance: InstanceId) -> Instance:
        async with asyncio.timeout(LIMIT_S):
            while (await self.the(instance)).state is not InstanceState.EXITED:
                await asyncio.sleep(0.005)
        return await self.the(instance)

    def home(self, instance: InstanceId) -> Path:
        return self.folder / "instances" / instance


async def opened(folder: Path) -> ProcessPlatform:
    platform = ProcessPlatform(folder / "instances", SystemClock())
    await platform.open()
    return platform


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    stage = Stage(await opened(folder), folder)
    try:
        yield stage
    finally:
        for instance in await stage.platform.observe():
            await stage.platform.stop(instance.id, timedelta(0))
        await stage.platform.close()
        assert not living(str(folder)), "processes are left"


def living(mark: str) -> list[int]:
    """Return the pids (zombies apart) whose command line or environment holds `mark`."""
    return [pid for pid in pids() if pid != os.getpid() and mark.encode() in _text_of(pid)]


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _text_of(pid: int) -> bytes:
    try:
        home = Path("/proc") / str(pid)
        return (home / "cmdline").read_bytes() + (home / "environ").read_bytes()
    except OSError:
        return b""


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not claim():
            await asyncio.sleep(0.01)


def kill(pid: int | None, number: signal.Signals = signal.SIGKILL) -> None:
    assert pid is not None
    os.kill(pid, number)


def parent_of(pid: int | None) -> int:
    return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
