"""The policies of the comparison decide as their originals document it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.peers.policy import NOTHING, POLICIES, RESTART_ALWAYS, SYSTEMD


def starts_until_dead(policy, start_takes_s: float, most: int = 50) -> list[float]:
    """Let every start fail after a while; the instants of the starts."""
    starts: tuple[float, ...] = ()
    now = 1000.0
    while len(starts) < most and (pause := policy.pause(starts, now)) is not None:
        starts = (*starts, now + pause)
        now += pause + start_takes_s
    return list(starts)


def test_nothing_never_starts_again():
    assert NOTHING.pause((), 1.0) is None


@given(st.lists(st.floats(0, 1e6)), st.floats(0, 1e6))
def test_restart_always_starts_at_once_for_ever(starts, now):
    assert RESTART_ALWAYS.pause(tuple(starts), now) == 0.0


def test_systemd_gives_up_at_the_sixth_start_within_ten_seconds():
    starts = starts_until_dead(SYSTEMD, 0.3)
    assert len(starts) == 5
    assert starts[-1] - starts[0] < 10


def test_systemd_goes_on_when_the_program_lives_long_enough_between():
    assert len(starts_until_dead(SYSTEMD, 2.0)) == 50


@given(st.floats(0.0, 5.0))
def test_systemd_never_starts_more_than_five_times_in_any_ten_seconds(takes):
    starts = starts_until_dead(SYSTEMD, takes)
    for first, sixth in zip(starts, starts[5:], strict=False):
        assert sixth - first >= SYSTEMD.interval_s


def test_a_policy_is_found_by_its_name():
    assert all(POLICIES[name].name == name for name in POLICIES)
