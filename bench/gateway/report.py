"""Pairs of stretches as one table; ratios are taken within each repeat, so that noise cancels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.gateway.wrk import CONNECTIONS, Shot
from bench.results import Row, Table

RAW = "raw Envoy"
SPEED, THRIFT = "of raw Envoy's", "for the same CPU, of raw Envoy's"
UNITS = {
    "throughput": "requests/s",
    SPEED: "",
    "CPU of the proxy": "µs/request",
    THRIFT: "",
    "CPU of root, node and room": "µs/request",
    "p50": "µs",
    "p99": "µs",
}


@dataclass(frozen=True)
class Pair:
    """One proxy once as fast as it can, and once at a fixed rate; CPU in s during the first."""

    proxy: str
    full: Shot
    fixed: Shot
    cpu_s: float
    others_cpu_s: float = 0.0

    @property
    def throughput(self) -> float:
        """Requests per second."""
        return self.full.requests / self.full.seconds

    @property
    def cpu_us(self) -> float:
        """CPU time of the proxy for one request, in microseconds."""
        return 1e6 * self.cpu_s / self.full.requests

    @property
    def others_cpu_us(self) -> float:
        """The same of what stands beside it."""
        return 1e6 * self.others_cpu_s / self.full.requests


def table(pairs: Sequence[Pair]) -> Table:
    """One row for each proxy; `pairs` holds the repeats of each in order."""
    raw = [pair for pair in pairs if pair.proxy == RAW]
    names = dict.fromkeys(pair.proxy for pair in pairs)
    rows = [_row(name, [pair for pair in pairs if pair.proxy == name], raw) for name in names]
    better = frozenset({"throughput", SPEED, THRIFT})
    return Table("The gateway beside others", rows, UNITS, higher_is_better=better)


def _row(name: str, own: Sequence[Pair], raw: Sequence[Pair]) -> Row:
    both = list(zip(own, raw, strict=True))
    others = [pair.others_cpu_us for pair in own]
    return {
        "proxy": name,
        "throughput": [pair.throughput for pair in own],
        SPEED: None if name == RAW else [pair.throughput / base.throughput for pair, base in both],
        "CPU of the proxy": [pair.cpu_us for pair in own],
        THRIFT: None if name == RAW else [base.cpu_us / pair.cpu_us for pair, base in both],
        "CPU of root, node and room": others if any(others) else None,
        "p50": [pair.fixed.p50 for pair in own],
        "p99": [pair.fixed.p99 for pair in own],
    }


def notes(rate_per_s: int, pairs: Sequence[Pair]) -> list[str]:
    """How it was measured, and what failed."""
    achieved = sorted(pair.fixed.requests / pair.fixed.seconds for pair in pairs)
    failed = sum(pair.full.failed + pair.fixed.failed for pair in pairs)
    words = (
        f"{CONNECTIONS} connections of `wrk`; throughput as fast as answers come, latencies at "
        f"about {rate_per_s} requests/s (really {achieved[0]:.0f} to {achieved[-1]:.0f}). "
        f"{failed} requests failed."
    )
    return [words]
