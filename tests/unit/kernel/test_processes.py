"""A process is known for what it is, and nobody else is ever signalled."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from dreamnet.kernel import processes
from dreamnet.kernel.deaths import wait_exit, watch_exit
from dreamnet.kernel.processes import (
    ExitStatus,
    Identity,
    command_line,
    reap,
    signal_process,
)


@pytest.fixture(params=["proc", "portable"])
def _system(request, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "portable":
        processes.current_boot_id()  # asked once a process, as always: the one of this machine
        monkeypatch.setattr(processes, "HAS_PROC", False)
        monkeypatch.delattr("os.pidfd_open", raising=False)


@pytest.fixture
def child(_system: None):
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def identity_of(child: subprocess.Popen) -> Identity:
    found = Identity.of(child.pid)
    assert found is not None
    return found


def test_a_living_process_is_alive_and_a_namesake_is_not(child):
    known = identity_of(child)
    assert known.is_alive()
    assert not replace(known, start_ticks=known.start_ticks + 1).is_alive()
    assert not replace(known, boot_id="another boot").is_alive()
    assert command_line(child.pid)[-1] == "import time; time.sleep(60)"


def test_a_namesake_is_never_signalled(child):
    known = identity_of(child)
    assert not signal_process(replace(known, start_ticks=1), signal.SIGKILL)
    assert known.is_alive()
    assert signal_process(known, signal.SIGKILL)


async def test_a_death_is_noticed_at_once_and_a_zombie_is_dead(child):
    known = identity_of(child)
    watching = asyncio.get_running_loop().create_task(wait_exit(known))
    await asyncio.sleep(0)
    assert not watching.done()
    assert signal_process(known, signal.SIGKILL)
    async with asyncio.timeout(1):
        await watching
    assert not known.is_alive()
    assert not signal_process(known, signal.SIGTERM)
    async with asyncio.timeout(1):
        await wait_exit(known)


@pytest.mark.usefixtures("_system")
async def test_an_ended_child_leaves_its_status():
    child = subprocess.Popen([sys.executable, "-S", "-c", "raise SystemExit(3)"])
    known = identity_of(child)
    await wait_exit(known)
    assert reap(child.pid) == ExitStatus(code=3)
    assert reap(child.pid) is None
    child.wait()
    assert command_line(child.pid) == ()


async def test_watching_can_be_stopped(child):
    calls: list[int] = []
    stop = watch_exit(identity_of(child), lambda: calls.append(1))
    stop()
    child.kill()
    child.wait()
    await asyncio.sleep(0.1)
    assert not calls


async def test_a_look_that_fails_tells_of_no_death(child, monkeypatch: pytest.MonkeyPatch):
    known = identity_of(child)

    def exhausted(pid: int) -> None:
        raise OSError(24, "Too many open files", pid)

    with monkeypatch.context() as without_handles:
        without_handles.setattr(processes, "read_stat", exhausted)
        watching = asyncio.get_running_loop().create_task(wait_exit(known))
        await asyncio.sleep(0.1)
        assert not watching.done()
        with pytest.raises(OSError, match="Too many"):
            signal_process(known, signal.SIGKILL)
    child.kill()
    async with asyncio.timeout(1):
        await watching
