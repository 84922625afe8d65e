"""Runs units under one policy: `python -m bench.peers.supervisor ORDERS`.

SIGHUP forgets the past and starts what is dead. SIGTERM, or the end of stdin (whoever measures is
gone), ends every unit and itself. Its own SIGKILL leaves the units running, as with real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from bench.peers.policy import POLICIES
from bench.peers.units import Event, Orders, Unit
from dreamnet.kernel.deaths import wait_exit
from dreamnet.kernel.environ import base_environment
from dreamnet.kernel.processes import Identity
from dreamnet.testing.instant import now


class Supervisor:
    """Keeps what its policy says running."""

    def __init__(self, orders: Orders) -> None:
        self._policy = POLICIES[orders.policy]
        self._units = orders.units
        self._events = Path(orders.events)
        self._starts: dict[str, tuple[float, ...]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Start everything and watch until told to stop."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reset)
        loop.add_reader(sys.stdin.fileno(), lambda: os.read(0, 1) or stop.set())
        self._reset()
        await stop.wait()
        for task in self._tasks.values():
            task.cancel()
        for process in self._running.values():
            _end(process)

    def _reset(self) -> None:
        for unit in self._units:
            self._starts[unit.name] = ()
            process = self._running.get(unit.name)
            if process is not None and process.poll() is None:
                continue
            if task := self._tasks.pop(unit.name, None):
                task.cancel()
            self._tasks[unit.name] = asyncio.create_task(self._keep(unit))

    async def _keep(self, unit: Unit) -> None:
        """Start a unit, and start it again for as long as the policy says so."""
        self._start(unit)
        while True:
            process = self._running[unit.name]
            identity = Identity.of(process.pid)
            if identity is not None:
                await wait_exit(identity)
            process.wait()
            if not self._policy.restarts:
                return
            self._tell("died", unit, process.pid)
            pause = self._policy.pause(self._starts[unit.name], now())
            if pause is None:
                self._tell("gave-up", unit, process.pid)
                return
            await asyncio.sleep(pause)
            self._starts[unit.name] = (*self._starts[unit.name], now())
            self._start(unit)

    def _start(self, unit: Unit) -> None:
        with self._events.with_suffix(".log").open("a") as log:
            process = subprocess.Popen(
                unit.arguments,
                cwd=unit.folder,
                env=base_environment() | dict(unit.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running[unit.name] = process
        self._tell("started", unit, process.pid)

    def _tell(self, what: str, unit: Unit, pid: int) -> None:
        with self._events.open("a") as file:
            file.write(Event(now(), what, unit.name, pid).line())


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a unit with everything it started; nothing here needs a gentle end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    asyncio.run(Supervisor(Orders.read(Path(sys.argv[1]))).run())
