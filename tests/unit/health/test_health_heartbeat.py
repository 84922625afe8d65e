"""The loop's lateness is measured and forgotten in time."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from dreamnet.health.heartbeat import Heartbeat
from dreamnet.health.status import Status


class Loop:
    """Stands in for an event loop: keeps the callback for the test to call."""

    def call_later(self, _delay: float, callback: object, *_: object) -> None:
        self.callback = callback


def started(now: list[float]) -> tuple[Heartbeat, Loop]:
    heartbeat, loop = Heartbeat(limit=1.0, seconds=lambda: now[0]), Loop()
    heartbeat._loop = loop  # type: ignore[assignment]  # the stand-in above
    heartbeat._schedule(loop)  # type: ignore[arg-type]  # the stand-in above
    return heartbeat, loop


@given(st.lists(st.floats(0, 5), max_size=30))
def test_lag_is_the_worst_of_the_window(delays: list[float]) -> None:
    now = [100.0]
    heartbeat, loop = started(now)
    late: list[tuple[float, float]] = []
    for delay in delays:
        now[0] += heartbeat.interval + delay
        heartbeat._beat(loop)  # type: ignore[arg-type]  # the stand-in above
        late.append((now[0], delay))
    expected = max((one for at, one in late if now[0] - at <= heartbeat.window), default=0.0)
    assert abs(heartbeat.lag() - expected) < 1e-6


def test_an_overdue_beat_counts_before_it_comes() -> None:
    now = [0.0]
    heartbeat, _ = started(now)
    now[0] = heartbeat.interval + 3
    assert heartbeat.lag() == 3
    assert heartbeat.outcome().finding.status is Status.FAIL


def test_without_a_loop_there_is_no_lag() -> None:
    assert Heartbeat(limit=1).lag() == 0


async def test_it_beats_once_per_loop_and_stops() -> None:
    heartbeat = Heartbeat(limit=1, interval=0.01)
    heartbeat.start()
    first = heartbeat._timer
    heartbeat.start()
    assert heartbeat._timer is first
    async with asyncio.timeout(5):
        while len(heartbeat._late) < 3:
            await asyncio.sleep(0.01)
    heartbeat.stop()
    assert heartbeat.lag() == 0


def test_a_new_loop_is_beaten_anew() -> None:
    heartbeat = Heartbeat(limit=1)

    async def lag() -> float:
        heartbeat.start()
        return heartbeat.lag()

    assert asyncio.run(lag()) < 1
    assert asyncio.run(lag()) < 1
