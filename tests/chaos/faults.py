"""What is done to the world, and a memory of it."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from random import Random

from tests.chaos.chaos_rig import Rig


@dataclass(frozen=True)
class Fault:
    """A signal sent to an instance; wall time in microseconds, for the store counts so."""

    target: str
    pid: int
    at: int


class Faults:
    """Sends signals; counts them all, and remembers those to instances."""

    def __init__(self, rig: Rig, chance: Random) -> None:
        self._rig = rig
        self._chance = chance
        self.to_instances: list[Fault] = []
        self.counts: Counter[str] = Counter()

    def some_time(self, longest_s: float) -> None:
        """Let a random time pass: the fault that follows may hit any moment."""
        time.sleep(self._chance.uniform(0, longest_s))

    def node(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Kill or stop the node that root has, however far it has come."""
        return self._send("node", self._rig.until(self._rig.newest_node), number)

    def root_and_node(self) -> None:
        """Kill both, root first: it must not start another."""
        node = self._rig.until(self._rig.newest_node)
        self._send("root", self._rig.root_pid(), signal.SIGKILL)
        self._send("node", node, signal.SIGKILL)

    def part(self, part: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Kill or stop Envoy or the waiting room."""
        pid = self._rig.until(lambda: self._rig.part_pid(part))
        return self._send(part, pid, number)

    def instance(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill or stop one instance of a world that is well."""
        well = self._rig.until(self._rig.well)
        self._hit(self._chance.choice(sorted(well)), well, number)

    def burst(self) -> None:
        """Kill all instances at once."""
        well = self._rig.until(self._rig.well)
        for target in sorted(well):
            self._hit(target, well, signal.SIGKILL)

    def _hit(self, target: str, well: dict[str, int], number: signal.Signals) -> None:
        at = int(time.time() * 1_000_000)  # before the signal: what follows is not earlier
        self._send("instance", well[target], number)
        self.to_instances.append(Fault(target, well[target], at))

    def _send(self, what: str, pid: int, number: signal.Signals) -> int:
        os.kill(pid, number)
        self.counts[f"{what} {number.name}"] += 1
        return pid
