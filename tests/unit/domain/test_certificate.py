"""A certificate that ends soon: warned about once, without flapping, until it is renewed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dreamnet.domain.outside.certificate import CONFIRM, Expiry, step

T0 = datetime(2026, 1, 1, tzinfo=UTC)
NOTICE = timedelta(days=14)
OLD, NEW = T0 + timedelta(days=13), T0 + timedelta(days=90)


def test_it_is_expiring_from_the_notice_on() -> None:
    assert not step(Expiry(), T0 + NOTICE, NOTICE, T0).is_expiring(T0)
    later = T0 + timedelta(seconds=1)
    assert step(Expiry(), T0 + NOTICE, NOTICE, later).is_expiring(later)
    assert not Expiry().is_expiring(T0)


def test_a_target_that_is_away_changes_nothing() -> None:
    known = step(Expiry(), OLD, NOTICE, T0)
    assert known.is_expiring(T0 + timedelta(days=5))


def test_a_renewed_one_is_believed_once_the_old_one_is_not_seen_any_more() -> None:
    known = step(step(Expiry(), OLD, NOTICE, T0), NEW, NOTICE, T0 + timedelta(seconds=30))
    assert known.is_expiring(T0 + timedelta(seconds=30))
    assert known.soonest == OLD
    assert not known.is_expiring(T0 + CONFIRM)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 599)), min_size=1, max_size=60),
)
def test_servers_that_show_old_and_new_in_turn_do_not_flap(looks: list[tuple[bool, int]]) -> None:
    """However looks alternate: expiring from the first old one to CONFIRM after the last."""
    known, now, last_old = Expiry(), T0, None
    for is_old, pause_s in looks:
        now += timedelta(seconds=pause_s)
        known = step(known, OLD if is_old else NEW, NOTICE, now)
        last_old = now if is_old else last_old
        assert known.is_expiring(now) == (last_old is not None and now - last_old < CONFIRM)
