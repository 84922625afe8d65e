"""The prober alone with many targets on a few real servers: for `bench.scale`."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass, field

from bench.crowd import TINY
from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.ids import fresh_random
from dreamnet.kernel.ports import free_port
from dreamnet.model.facts import Probed
from dreamnet.model.instances import Instance, InstanceId, InstanceState
from dreamnet.model.services import Health, Probe, ProbeKind, ServiceName, ServiceSpec, Slot
from dreamnet.senses.probes import Prober
from dreamnet.senses.target import Target

SERVERS = 4
BEAT_S = 0.05
WARM_S = 3.0


@dataclass
class Probing:
    """What came of it: probes, failures, lateness of each probe and of the loop, in ms."""

    probes: int = 0
    failed: int = 0
    lates_ms: list[float] = field(default_factory=list)
    lags_ms: list[float] = field(default_factory=list)

    def take(self, fact: Probed) -> None:
        """Count one answer; each stands for both aspects, of which one is counted."""
        if fact.aspect == "live":
            self.probes += 1
            self.failed += not fact.good
            self.lates_ms.append(fact.late_ms)


async def probe_many(count: int, seconds: float) -> Probing:
    """Probe `count` targets each second by HTTP for some seconds."""
    with servers() as ports:
        found = Probing()
        clock = SystemClock()
        prober = Prober(found.take, clock, fresh_random())
        made = [target(number, ports[number % SERVERS], clock) for number in range(count)]
        prober.follow({one.instance.id: one for one in made})
        try:
            await asyncio.sleep(WARM_S)
            found.lates_ms.clear()
            await _measure_lag(found, seconds)
        finally:
            await prober.aclose()
    return found


async def _measure_lag(found: Probing, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while (due := loop.time() + BEAT_S) < ends:
        await asyncio.sleep(BEAT_S)
        found.lags_ms.append(max(0.0, loop.time() - due) * 1000)


@contextlib.contextmanager
def servers() -> Generator[list[int]]:
    """Give the ports of a few tiny servers."""
    ports = [free_port() for _ in range(SERVERS)]
    started = [
        subprocess.Popen([sys.executable, "-I", "-S", str(TINY), str(port)]) for port in ports
    ]
    try:
        yield ports
    finally:
        for one in started:
            one.kill()
            one.wait()


def target(number: int, port: int, clock: SystemClock) -> Target:
    """One target with the default beat: a second, jitter 0.1."""
    name = ServiceName("many")
    instance = Instance(
        id=InstanceId(f"many-{number}"),
        service=name,
        slot=Slot(number + 1),
        key=str(number),
        state=InstanceState.RUNNING,
        created=clock.now(),
        port=port,
    )
    probe = Probe(kind=ProbeKind.HTTP, path="/live")
    spec = ServiceSpec(name=name, folder="/", run="x", health=Health(live=probe, ready=probe))
    return Target(instance, spec)
