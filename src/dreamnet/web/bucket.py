"""How fast a caller may ask: token buckets, and a bounded memory of whose is how full."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """`burst` requests at once, and `per_s` more each second."""

    burst: float
    per_s: float


@dataclass(frozen=True)
class Bucket:
    """What was left at an instant, in seconds of a clock that never goes back."""

    left: float
    at_s: float


def take(bucket: Bucket, rate: Rate, now_s: float) -> tuple[Bucket, float]:
    """Take one if there is one; returns the bucket, and seconds until there is one (0: taken)."""
    passed_s = max(0.0, now_s - bucket.at_s)
    left = min(rate.burst, bucket.left + passed_s * rate.per_s)
    if left >= 1:
        return Bucket(left - 1, now_s), 0.0
    return Bucket(left, now_s), (1 - left) / rate.per_s


class Buckets:
    """A bucket for each caller; of more than `most` the one unused for longest is forgotten."""

    def __init__(self, rate: Rate, most: int = 4096) -> None:
        self._rate = rate
        self._most = most
        self._known: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        """Return how many callers are remembered."""
        return len(self._known)

    def take(self, caller: str, now_s: float) -> float:
        """Take one for a caller; returns the seconds to wait when there is none, else 0."""
        before = self._known.pop(caller, Bucket(self._rate.burst, now_s))
        self._known[caller], wait_s = take(before, self._rate, now_s)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return wait_s
