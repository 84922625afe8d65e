"""The stand-in for other supervisors does what its policy says, on real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.peers.units import Event, Orders, Unit, read_events

LIMIT_S = 15.0


class Running:
    def __init__(self, folder: Path, policy: str, *arguments: str) -> None:
        self.events = folder / "events"
        unit = Unit("one", (sys.executable, "-S", "-c", *arguments), str(folder))
        Orders(policy, (unit,), str(self.events)).write(folder / "orders")
        command = [sys.executable, "-m", "bench.peers.supervisor", str(folder / "orders")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def until(self, holds: Callable[[list[Event]], bool]) -> list[Event]:
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            if holds(events := read_events(self.events)):
                return events
            time.sleep(0.02)
        pytest.fail(f"not within {LIMIT_S} s: {read_events(self.events)}")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(LIMIT_S)


@pytest.fixture
def start(tmp_path):
    running: list[Running] = []

    def begin(policy: str, *arguments: str) -> Running:
        running.append(Running(tmp_path, policy, *arguments))
        return running[-1]

    yield begin
    for one in running:
        one.close()


def whats(events: list[Event]) -> list[str]:
    return [event.what for event in events]


def test_what_is_killed_is_started_again(start):
    one = start("restart-always", "import time; time.sleep(60)")
    pid = one.until(lambda events: whats(events) == ["started"])[0].pid
    os.kill(pid, signal.SIGKILL)
    events = one.until(lambda events: len(events) == 3)
    assert whats(events) == ["started", "died", "started"]
    assert events[1].pid == pid != events[2].pid


def test_a_crash_loop_ends_dead_and_a_reset_begins_anew(start):
    one = start("systemd-like", "raise SystemExit(1)")
    events = one.until(lambda events: "gave-up" in whats(events))
    assert whats(events).count("started") == 6  # the first, and five more within ten seconds
    one.process.send_signal(signal.SIGHUP)
    one.until(lambda events: whats(events).count("gave-up") == 2)


def test_its_end_is_the_end_of_what_it_ran(start):
    one = start("nothing", "import time; time.sleep(60)")
    pid = one.until(lambda events: whats(events) == ["started"])[0].pid
    one.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
