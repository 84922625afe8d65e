"""A node says that it is well only while it can heal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.domain.outside.heartbeat import LIMIT_S, Signs, should_beat, what_hinders

NOW = 1000.0
WELL = Signs({"dreamkeeper": NOW - 1, "deploykeeper": NOW - LIMIT_S}, wrote=NOW)


def test_a_node_that_heals_says_so() -> None:
    assert should_beat(WELL, NOW)


@pytest.mark.parametrize(
    ("signs", "said"),
    [
        (Signs({}, NOW), "no agent runs"),
        (Signs({"weaver": None}, NOW), "no sign of weaver"),
        (Signs({"b": 0.0, "a": 0.0, "c": NOW}, NOW), "no sign of a, b for 15 s"),
        (Signs({"a": NOW}, None), "the store took no write"),
        (Signs({"a": NOW}, NOW - LIMIT_S - 1), "the store took no write for 15 s"),
    ],
)
def test_one_that_does_not_says_why(signs: Signs, said: str) -> None:
    assert said in what_hinders(signs, NOW)
    assert not should_beat(signs, NOW)


instants = st.none() | st.floats(0, NOW)


@given(st.dictionaries(st.text(max_size=3), instants, max_size=5), instants)
def test_one_bad_sign_silences(ticked: dict[str, float | None], wrote: float | None) -> None:
    signs = [*ticked.values(), wrote]
    fresh = all(at is not None and NOW - at <= LIMIT_S for at in signs)
    assert should_beat(Signs(ticked, wrote), NOW) == (bool(ticked) and fresh)
