"""What `bench.scale` calls a failure."""

from __future__ import annotations

import pytest

from bench.scale import ENDED, LOST, complaints


def told(cpu: float = 4.0, rss: float = 98.0, lost: float = 0, ended: float = 0) -> list[str]:
    idle = [{"process": "node", "CPU": cpu, "RSS": rss}, {"process": "all four", "CPU": 9.0}]
    return complaints(idle, [{"measure": LOST, "seen": lost}, {"measure": ENDED, "seen": ended}])


def test_within_the_limits_there_is_nothing_to_say() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"cpu": 5.1}, "the idle node: CPU: 5.1, at most 5"),
        ({"rss": 151.0}, "the idle node: RSS: 151, at most 150"),
        ({"lost": 2}, "requests lost meanwhile: 2, at most 0"),
        ({"ended": 1}, "instances that did not live on: 1, at most 0"),
    ],
)
def test_what_is_over_is_named(over: dict[str, float], words: str) -> None:
    assert told(**over) == [words]
