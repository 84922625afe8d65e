"""Samples the gateway's counters: how every endpoint answered over the last moments."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime

from dreamnet.drivers.gateway.base import Gateway, Part
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.errors import DreamNetError
from dreamnet.model.facts import Answered, Fact, PartAnswered, PartDied
from dreamnet.model.instances import Exit
from dreamnet.model.routes import GatewaySample

PERIOD_S = 0.5
WINDOW_S = 2.0
# Looking costs the gateway time that grows with its endpoints; many are looked at less often.
ENDPOINTS_PER_PERIOD = 50


def answers(before: GatewaySample, after: GatewaySample, at: datetime) -> list[Answered]:
    """Return what each endpoint did between two samples; a restarted counter starts from 0."""
    old = {(sample.service, sample.address): sample for sample in before.endpoints}
    found: list[Answered] = []
    for sample in after.endpoints:
        past = old.get((sample.service, sample.address))
        known = past is not None and past.requests <= sample.requests
        found.append(
            Answered(
                at=at,
                service=sample.service,
                address=sample.address,
                requests=sample.requests - (past.requests if past and known else 0),
                errors=max(0, sample.errors - (past.errors if past and known else 0)),
                window_s=after.monotonic_s - before.monotonic_s,
            )
        )
    return found


_Endpoint = tuple[str, str]


def _endpoint(answered: Answered) -> _Endpoint:
    return answered.service, answered.address


class Telemetry:
    """Keeps the samples of the last window and publishes what they tell."""

    def __init__(self, gateway: Gateway, publish: Callable[[Fact], None], clock: Clock) -> None:
        self._gateway = gateway
        self._publish = publish
        self._clock = clock
        self._samples: deque[GatewaySample] = deque()
        self._busy: set[_Endpoint] = set()

    @property
    def latest(self) -> GatewaySample | None:
        """Return the newest sample, None when the gateway does not answer."""
        return self._samples[-1] if self._samples else None

    async def run(self) -> None:
        """Sample for ever."""
        while True:
            await self.sample()
            many = len(self._samples[-1].endpoints) if self._samples else 0
            await asyncio.sleep(PERIOD_S * max(1.0, many / ENDPOINTS_PER_PERIOD))

    async def sample(self) -> None:
        """Take one sample and publish what changed since the oldest of the window."""
        now = self._clock.now()
        self._look_for_the_dead(now)
        try:
            sample = await self._gateway.sample()
        except DreamNetError:
            self._samples.clear()
            return
        self._publish(PartAnswered(at=now, part="gateway"))
        if sample.room_answers:
            self._publish(PartAnswered(at=now, part="room"))
        self._publish(PartAnswered(at=now, part="node"))
        self._samples.append(sample)
        while sample.monotonic_s - self._samples[0].monotonic_s > WINDOW_S:
            self._samples.popleft()
        found = answers(self._samples[0], sample, now)
        self._busy &= {_endpoint(answered) for answered in found}
        for answered in found:
            self._tell(answered)

    def _tell(self, answered: Answered) -> None:
        """Tell of an endpoint that was asked something, and once that it no longer is."""
        endpoint = _endpoint(answered)
        if answered.requests or answered.errors:
            self._busy.add(endpoint)
        elif endpoint not in self._busy:
            return
        else:
            self._busy.discard(endpoint)
        self._publish(answered)

    def _look_for_the_dead(self, now: datetime) -> None:
        """A death whose moment nobody told (a full bus, a crashed loop) is found here."""
        parts: tuple[Part, ...] = ("gateway", "room")
        for part in parts:
            if not self._gateway.runs(part):
                self._publish(PartDied(at=now, part=part, exit=Exit(at=now)))
