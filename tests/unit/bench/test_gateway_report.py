"""The table of proxies: ratios within each repeat, and nothing invented."""

from __future__ import annotations

import pytest

from bench.gateway.report import RAW, SPEED, THRIFT, Pair, notes, table
from bench.gateway.wrk import Shot


def pair(proxy: str, requests: int, cpu_s: float, others: float = 0.0) -> Pair:
    fixed = Shot(requests=2000, seconds=2.0, p50=500.0, p99=900.0, failed=1)
    return Pair(proxy, Shot(requests, 2.0, 1.0, 2.0, 0), fixed, cpu_s, others)


PAIRS = [
    pair("ours", 9_500, 1.0, 0.1),
    pair("ours", 20_000, 2.0, 0.1),
    pair(RAW, 10_000, 1.0),
    pair(RAW, 20_000, 2.0),
]


def test_ratios_are_taken_within_each_repeat():
    ours, raw = table(PAIRS).rows
    assert ours[SPEED] == [0.95, 1.0]
    assert ours[THRIFT] == pytest.approx([0.95, 1.0])
    assert raw[SPEED] is None
    assert ours["throughput"] == [4750, 10_000]


def test_only_who_has_others_beside_it_pays_for_them():
    ours, raw = table(PAIRS).rows
    assert ours["CPU of root, node and room"] == pytest.approx([1e5 / 9500, 5.0])
    assert raw["CPU of root, node and room"] is None


def test_a_repeat_that_is_missing_is_not_hidden():
    with pytest.raises(ValueError, match="zip"):
        table(PAIRS[1:])


def test_the_notes_say_what_failed():
    assert "really 1000 to 1000). 4 requests failed." in notes(1000, PAIRS)[0]
