"""Which process is meant, and being told of its death on every event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from dreamnet.drivers.platforms.ports import Ports
from dreamnet.drivers.platforms.sessions import send
from dreamnet.kernel import processes
from dreamnet.kernel.deaths import Deaths, PidfdDeaths, PollingDeaths, best_deaths
from dreamnet.kernel.processes import (
    Identity,
    identify,
    parse_stat,
    read_stat,
    reap_exactly,
    stat_without_proc,
)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "120"], start_new_session=True) as process:
        yield process
        process.kill()


def identity_of(pid: int) -> Identity:
    stat = read_stat(pid)
    assert stat is not None
    return identify(stat)


def test_fields_count_from_the_last_bracket() -> None:
    rest = " ".join(str(number) for number in range(4, 53))
    stat = parse_stat(f"42 (a) b) (c) S 1 {rest}")
    assert stat is not None
    assert (stat.pid, stat.state, stat.parent, stat.group, stat.session) == (42, "S", 1, 4, 5)
    assert stat.start_ticks == 21


@pytest.mark.parametrize("line", ["", "42 (a", "42 (a) S", "x (a) S 1 2 3", ")"])
def test_garbled_lines_are_nobody(line: str) -> None:
    assert parse_stat(line) is None


def test_a_process_is_known_by_pid_start_and_boot(sleeper: subprocess.Popen[bytes]) -> None:
    known = identity_of(sleeper.pid)
    assert known.is_alive()
    assert not replace(known, start_ticks=known.start_ticks + 1).is_alive()
    assert not replace(known, boot_id="another").is_alive()


def test_a_zombie_is_dead_and_reaped_only_when_it_is_meant(
    sleeper: subprocess.Popen[bytes],
) -> None:
    known = identity_of(sleeper.pid)
    os.kill(sleeper.pid, signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not known.is_alive()
    reap_exactly(replace(known, start_ticks=known.start_ticks + 1))
    assert read_stat(sleeper.pid) is not None
    reap_exactly(known)
    assert read_stat(sleeper.pid) is None
    sleeper.returncode = 0  # reaped above


def test_no_signal_reaches_a_later_process_with_the_pid(sleeper: subprocess.Popen[bytes]) -> None:
    known = identity_of(sleeper.pid)
    assert not send(replace(known, start_ticks=1), signal.SIGKILL)
    assert sleeper.poll() is None
    assert send(known, signal.SIGKILL)
    assert sleeper.wait(10) == -signal.SIGKILL
    assert not send(known, signal.SIGKILL)


def test_the_portable_look_agrees(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, portable = read_stat(sleeper.pid), stat_without_proc(sleeper.pid)
    assert here is not None
    assert portable is not None
    assert replace(portable, start_ticks=here.start_ticks, state=here.state) == here
    monkeypatch.setattr(processes, "HAS_PROC", False)
    known = identity_of(sleeper.pid)
    assert known.is_alive()
    sleeper.kill()
    sleeper.wait()
    assert not known.is_alive()
    assert stat_without_proc(sleeper.pid) is None


@pytest.mark.parametrize("deaths", [PidfdDeaths(), PollingDeaths()], ids=["pidfd", "polling"])
@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_deaths_are_told_on_every_loop(deaths: Deaths, factory: object) -> None:
    async def story() -> None:
        child = await asyncio.to_thread(subprocess.Popen, ["/bin/sleep", "120"])
        known = identity_of(child.pid)
        waiting = asyncio.gather(deaths.ended(known), deaths.ended(known))
        await asyncio.sleep(0)
        child.kill()
        async with asyncio.timeout(5):
            await waiting
            await deaths.ended(known)
        child.wait()
        async with asyncio.timeout(5):
            await deaths.ended(known)

    with asyncio.Runner(loop_factory=factory) as runner:  # type: ignore[arg-type]
        runner.run(story())


async def test_a_wait_for_a_death_can_be_given_up(sleeper: subprocess.Popen[bytes]) -> None:
    def handles() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = handles()
    for deaths in (PidfdDeaths(), PollingDeaths()):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await deaths.ended(identity_of(sleeper.pid))
    assert handles() == before


def test_the_best_way_is_the_kernels_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(best_deaths(), PidfdDeaths)

    def forbidden(pid: int) -> int:
        raise PermissionError(pid)

    monkeypatch.setattr(os, "pidfd_open", forbidden)
    assert isinstance(best_deaths(), PollingDeaths)
    monkeypatch.delattr(os, "pidfd_open")
    assert isinstance(best_deaths(), PollingDeaths)


async def test_without_file_handles_a_death_is_still_told(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(pid: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", exhausted)
    known = identity_of(sleeper.pid)
    sleeper.kill()
    async with asyncio.timeout(5):
        await PidfdDeaths().ended(known)


def test_ports_are_not_handed_out_twice_and_leave_the_kernels_range_alone() -> None:
    ports = Ports()
    chosen = [ports.choose("seed", set()) for _ in range(50)]
    assert len(set(chosen)) == 50
    assert Ports().choose("seed", {chosen[0]}) != chosen[0]
    if sys.platform == "linux":
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        assert max(chosen) < low or low < 2048
