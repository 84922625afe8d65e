"""Many states become one by a rule that has no surprises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dreamnet.health import Status, aggregate

verdicts = st.lists(st.tuples(st.sampled_from(Status), st.booleans()))
SEVERITY = [Status.PASS, Status.WARN, Status.FAIL]


@given(verdicts)
def test_fails_exactly_on_a_critical_failure(pairs: list[tuple[Status, bool]]) -> None:
    assert (aggregate(pairs) is Status.FAIL) == ((Status.FAIL, True) in pairs)


@given(verdicts)
def test_passes_exactly_if_all_pass(pairs: list[tuple[Status, bool]]) -> None:
    assert (aggregate(pairs) is Status.PASS) == all(status is Status.PASS for status, _ in pairs)


@given(verdicts, st.randoms(use_true_random=False))
def test_order_does_not_matter(pairs: list[tuple[Status, bool]], random: object) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' own Random
    assert aggregate(pairs) is aggregate(shuffled)


@given(verdicts, st.tuples(st.sampled_from(Status), st.booleans()))
def test_one_more_check_never_improves(
    pairs: list[tuple[Status, bool]], more: tuple[Status, bool]
) -> None:
    before, after = aggregate(pairs), aggregate([*pairs, more])
    assert SEVERITY.index(after) >= SEVERITY.index(before)


def test_only_fail_takes_traffic_away() -> None:
    assert [status.http_code for status in SEVERITY] == [200, 200, 503]
