"""Repeated measurements of one thing, and the few numbers that describe them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Spread = Literal["range", "iqr"]
NEVER = "never"


@dataclass(frozen=True, slots=True)
class Figure:
    """Median, spread (low to high) and worst of some runs, in one unit; infinite is "never"."""

    unit: str
    median: float
    low: float
    high: float
    worst: float
    runs: int

    @classmethod
    def of(
        cls, values: Sequence[float | None], unit: str, spread: Spread, *, higher_is_better: bool
    ) -> Figure:
        """Describe measured values; None is a run in which it never came about.

        ValueError if there are none, or one is not a number.
        """
        if not values:
            raise ValueError(f"no values in {unit!r}: write None where nothing was measured")
        if not all(value is None or math.isfinite(value) for value in values):
            raise ValueError(f"values in {unit!r} must be finite numbers, got {list(values)}")
        numbers = [math.inf if value is None else value for value in values]
        low, high = (min(numbers), max(numbers)) if spread == "range" else quartiles(numbers)
        worst = min(numbers) if higher_is_better else max(numbers)
        return cls(unit, statistics.median(numbers), low, high, worst, len(numbers))

    def text(self) -> str:
        """As in a table: median, and with several runs the spread, and the worst if outside."""
        if self.runs == 1 or self.low == math.inf:
            return number(self.median)
        worst = "" if self.low <= self.worst <= self.high else f", worst {number(self.worst)}"
        return f"{number(self.median)} ({number(self.low)}\N{EN DASH}{number(self.high)}{worst})"


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """First and third quartile; the value itself if there is one only."""
    if len(values) == 1:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def number(value: float) -> str:
    """A number with about three significant digits and no exponent."""
    if value == math.inf:
        return NEVER
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
