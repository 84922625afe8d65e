"""A process is known for what it is, and nobody else is ever signalled."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from dreamnet.kernel import processes
from dreamnet.kernel.processes import (
    ExitStatus,
    Identity,
    command_line,
    is_alive,
    reap,
    signal_process,
    wait_exit,
)


@pytest.fixture(params=["proc", "portable"])
def _system(request, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "portable":
        monkeypatch.setattr(processes, "_has_proc", lambda: False)
        monkeypatch.setattr(processes, "_pidfd", lambda _: None)


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
    assert is_alive(known)
    assert not is_alive(replace(known, start_ticks=known.start_ticks + 1))
    assert not is_alive(replace(known, boot_id="another boot"))
    assert command_line(child.pid)[-1] == "import time; time.sleep(60)"


def test_a_namesake_is_never_signalled(child):
    known = identity_of(child)
    assert not signal_process(replace(known, start_ticks=1), signal.SIGKILL)
    assert is_alive(known)
    assert signal_process(known, signal.SIGKILL)


async def test_a_death_is_noticed_at_once_and_a_zombie_is_dead(child):
    known = identity_of(child)
    watching = asyncio.get_running_loop().create_task(wait_exit(known))
    await asyncio.sleep(0)
    assert not watching.done()
    assert signal_process(known, signal.SIGKILL)
    async with asyncio.timeout(1):
        await watching
    assert not is_alive(known)
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
    stop = processes.watch_exit(identity_of(child), lambda: calls.append(1))
    stop()
    child.kill()
    child.wait()
    await asyncio.sleep(0.1)
    assert not calls
