"""The steady clock under a wall clock that jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dreamnet.kernel.clock import SLOWED, SteadyClock

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


class Wall:
    """A machine's clock: wall time can be set, monotonic time cannot."""

    def __init__(self) -> None:
        self.wall, self.passed_s = START, 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.passed_s

    def let_pass(self, step: timedelta) -> None:
        self.wall += step
        self.passed_s += step.total_seconds()


def test_it_is_the_wall_clock_while_nobody_sets_that() -> None:
    wall = Wall()
    clock = SteadyClock(wall)
    for _ in range(5):
        wall.let_pass(SECOND)
        assert clock.now() == wall.wall


def test_a_jump_forth_is_followed_and_the_jump_back_waited_for() -> None:
    wall = Wall()
    clock = SteadyClock(wall)
    wall.wall += HOUR
    assert clock.now() == START + HOUR
    wall.wall -= HOUR
    wall.let_pass(10 * SECOND)
    assert clock.now() == START + HOUR + 10 * SECOND * SLOWED
    wall.let_pass(10 * HOUR)
    assert clock.now() == wall.wall


def test_it_goes_on_where_the_last_one_was() -> None:
    wall = Wall()
    clock = SteadyClock(wall)
    clock.not_before(START + HOUR)
    clock.not_before(START)
    wall.let_pass(SECOND)
    assert clock.now() == START + HOUR + SECOND * SLOWED


_STEPS = st.tuples(
    st.timedeltas(-2 * HOUR, 2 * HOUR), st.timedeltas(timedelta(0), timedelta(minutes=10))
)


@given(st.lists(_STEPS, max_size=30))
def test_it_never_goes_back_nor_much_slower(steps: list[tuple[timedelta, timedelta]]) -> None:
    wall = Wall()
    clock = SteadyClock(wall)
    last = clock.now()
    for jump, passed in steps:
        wall.wall += jump
        wall.let_pass(passed)
        now = clock.now()
        assert now >= wall.wall
        assert now - last >= passed * SLOWED - timedelta(microseconds=1)
        last = now
