"""Durations: what is written is what is meant, and reads back the same."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.kernel.duration import format_duration, parse_duration


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=40_000)))
def test_any_duration_reads_back_exactly(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("500ms", 0.5), ("1.5s", 1.5), ("2m", 120), ("4h", 14400), ("30d", 2592000)],
)
def test_the_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-1s", "1 s", "1w", "1e3s", "٣s", 5, 1.5, None, True, "9" * 30 + "d"]
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
