"""What the machinery itself takes: CPU time and memory of everything that is not a service."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from bench.peers.party import Party
from dreamnet.testing.instant import now


@dataclass(frozen=True)
class Cost:
    """Percent of one core and MiB over one stretch; memory is the sum of resident sets.

    `loaded` tells whether requests were flowing.
    """

    party: str
    loaded: bool
    cpu_percent: float
    memory_mib: float

    def to_json(self) -> dict[str, Any]:
        """The cost as plain JSON values."""
        return asdict(self)


async def costs(parties: Sequence[Party], seconds: float, *, loaded: bool) -> list[Cost]:
    """Measure all parties over the same stretch of time."""
    processes = [[psutil.Process(pid) for pid in await one.machinery()] for one in parties]
    before = [_cpu_s(each) for each in processes]
    began = now()
    await asyncio.sleep(seconds)
    lasted = now() - began
    return [
        Cost(party.name, loaded, 100 * (_cpu_s(each) - cpu) / lasted, _memory_mib(each))
        for party, each, cpu in zip(parties, processes, before, strict=True)
    ]


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(one.user + one.system for one in times)


def _memory_mib(processes: Sequence[psutil.Process]) -> float:
    return sum(process.memory_info().rss for process in processes) / 2**20
