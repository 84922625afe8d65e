"""How processes end: by themselves, by a stop, and with everything they started."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from platform_stage import GRACE, LIMIT_S, Stage, kill, living, parent_of, pids, staged, until

from dreamnet.kernel.processes import read_stat
from dreamnet.model.instances import Exit, Instance, InstanceState

_SET_UP = "import os, signal, time, sys, subprocess as s\n"
_SLEEP = "print('ready')\ntime.sleep(120)\n"
_STUBBORN = _SET_UP + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _SLEEP
_POLITE = _SET_UP + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n" + _SLEEP


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


def end_of(instance: Instance) -> Exit:
    assert instance.state is InstanceState.EXITED
    assert instance.exit is not None
    return instance.exit


def children_of_ours() -> list[int]:
    stats = [read_stat(pid) for pid in pids()]
    return [stat.pid for stat in stats if stat is not None and stat.parent == os.getpid()]


async def test_a_death_is_told_at_once_with_its_signal(
    stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    took: list[float] = []
    for number in range(5):
        started = await stage.start("sleep 120", key=str(number))
        changes = aiter(stage.platform.watch())
        began = time.perf_counter()
        kill(started.pid)
        async with asyncio.timeout(2):
            ended = await anext(changes)
        took.append(time.perf_counter() - began)
        assert end_of(ended).signal == signal.SIGKILL
    record_property("median_ms", statistics.median(took) * 1000)


async def test_a_polite_application_ends_with_its_own_code(stage: Stage) -> None:
    started = await stage.python(_POLITE)
    end = end_of(await stage.platform.stop(started.id, GRACE))
    assert (end.code, end.signal, end.expected) == (7, None, True)


async def test_one_that_ignores_sigterm_is_killed_after_the_grace(stage: Stage) -> None:
    started = await stage.python(_STUBBORN)
    began = time.perf_counter()
    end = end_of(await stage.platform.stop(started.id, timedelta(seconds=0.5)))
    assert time.perf_counter() - began >= 0.5
    assert (end.signal, end.expected) == (signal.SIGKILL, True)


async def test_a_suspended_application_acts_on_sigterm(stage: Stage) -> None:
    started = await stage.python(_POLITE)
    kill(started.pid, signal.SIGSTOP)
    assert end_of(await stage.platform.stop(started.id, GRACE)).code == 7


async def test_a_suspended_group_that_ignores_sigterm_is_killed(stage: Stage) -> None:
    started = await stage.python(_STUBBORN)
    assert started.pid is not None
    os.killpg(os.getpgid(started.pid), signal.SIGSTOP)
    end = end_of(await stage.platform.stop(started.id, timedelta(seconds=0.2)))
    assert end.signal == signal.SIGKILL


async def test_a_stop_takes_the_grandchildren_along(stage: Stage) -> None:
    code = _SET_UP + f"s.Popen([sys.executable, '-uc', {_STUBBORN!r}])\n" + "time.sleep(120)"
    started = await stage.python(code)
    await stage.platform.stop(started.id, timedelta(seconds=0.3))
    assert not living(started.id)


async def test_grandchildren_get_the_grace_too(stage: Stage) -> None:
    slow = "signal.signal(15, lambda *_: (time.sleep(0.4), print('drained'), sys.exit(0)))\n"
    child = _SET_UP + slow + _SLEEP
    code = _SET_UP + f"s.Popen([sys.executable, '-uc', {child!r}])\n" + "time.sleep(120)"
    started = await stage.python(code)
    await stage.platform.stop(started.id, GRACE)
    assert "drained" in await stage.lines(started.id)


async def test_what_a_dead_application_leaves_is_killed(stage: Stage) -> None:
    """As when a master is killed and its workers go on, one of them in a session of its own."""
    worker = [f"[sys.executable, '-uc', {_STUBBORN!r}]"]
    code = (
        _SET_UP
        + f"s.Popen({worker[0]})\ns.Popen({worker[0]}, start_new_session=True)\n"
        + "time.sleep(120)"
    )
    started = await stage.python(code)
    await until_count(started, 4)
    kill(started.pid)
    assert end_of(await stage.until_exited(started.id)).signal == signal.SIGKILL
    await until(lambda: not living(started.id))


async def until_count(instance: Instance, count: int) -> None:
    await until(lambda: len(living(instance.id)) >= count)


async def test_a_worker_that_hides_its_environment_is_still_found(stage: Stage) -> None:
    code = _SET_UP + "s.Popen(['/usr/bin/env', '-i', '/bin/sleep', '119.5'])\n" + _SLEEP
    started = await stage.python(code)
    await until(lambda: bool(living("\x00119.5")))
    kill(started.pid)
    await stage.until_exited(started.id)
    await until(lambda: not living("\x00119.5"))


async def test_a_killed_wrapper_orphans_nothing(stage: Stage) -> None:
    started = await stage.start("sleep 120")
    wrapper = parent_of(started.pid)
    kill(wrapper)
    await until(lambda: wrapper not in children_of_ours())
    assert (await stage.the(started.id)).state is InstanceState.RUNNING
    assert await stage.platform.usage(started.id) is not None
    kill(started.pid)
    end = end_of(await stage.until_exited(started.id))
    assert (end.code, end.signal, str(end)) == (None, None, "ended, status unknown")


async def test_an_application_without_wrapper_is_stopped_as_usual(stage: Stage) -> None:
    started = await stage.python(_STUBBORN)
    kill(parent_of(started.pid))
    end = end_of(await stage.platform.stop(started.id, timedelta(seconds=0.2)))
    assert end.expected
    assert not living(started.id)


async def test_a_stop_during_the_stop_by_somebody_else_is_one(stage: Stage) -> None:
    started = await stage.python(_POLITE)
    first, second = await asyncio.gather(
        stage.platform.stop(started.id, GRACE), stage.platform.stop(started.id, timedelta(0))
    )
    assert first == second
    assert end_of(first).code == 7


async def test_a_caller_that_gives_up_does_not_undo_the_stop(stage: Stage) -> None:
    started = await stage.python(_STUBBORN)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await stage.platform.stop(started.id, timedelta(seconds=0.4))
    assert end_of(await stage.until_exited(started.id)).expected


async def test_no_zombie_is_left(stage: Stage) -> None:
    before = set(children_of_ours())
    for number in range(5):
        started = await stage.start("true", key=str(number))
        await stage.until_exited(started.id)
    await until(lambda: set(children_of_ours()) <= before)


async def test_a_signal_to_the_group_leaves_the_wrapper_at_its_post(stage: Stage) -> None:
    code = _SET_UP + "signal.signal(signal.SIGHUP, lambda *_: os._exit(9))\n" + _SLEEP
    started = await stage.python(code)
    assert started.pid is not None
    os.killpg(os.getpgid(started.pid), signal.SIGHUP)
    end = end_of(await stage.until_exited(started.id))
    assert (end.code, end.expected) == (9, False)


async def test_usage_sums_the_processes_and_their_time(stage: Stage) -> None:
    burn = "t = time.process_time()\nwhile time.process_time() - t < 0.2: pass\n"
    child = _SET_UP + burn + _SLEEP
    code = _SET_UP + f"s.Popen([sys.executable, '-uc', {child!r}])\n" + burn + "time.sleep(120)"
    started = await stage.python(code)
    async with asyncio.timeout(LIMIT_S):
        while (used := await stage.platform.usage(started.id)) and used.cpu_seconds < 0.35:
            await asyncio.sleep(0.05)
    assert used is not None
    assert used.rss_bytes > 5_000_000
    assert (used.open_files or 0) >= 6
