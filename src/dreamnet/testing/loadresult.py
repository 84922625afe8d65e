"""The outcome of a load in figures, and whether they can be believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dreamnet.testing.latency import Latency
from dreamnet.testing.plan import Plan
from dreamnet.testing.record import Record

# These mean that the generator, not the service, ran out of something.
OWN_FAILURES = ("overflow", "no-descriptor")


@dataclass(frozen=True, slots=True)
class KindResult:
    """The part of a result that belongs to one kind of request."""

    count: int
    ok: int
    reasons: Mapping[str, int]
    latency: Latency


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A load in figures; latencies count from the scheduled instant.

    `latency` is of requests that were well, `latency_all` of every request that ended.
    `doubts` says why the figures must not be used; `valid` is true when it is empty.
    """

    count: int
    ok: int
    reasons: Mapping[str, int]
    latency: Latency
    latency_all: Latency
    lag: Latency
    planned_rate_per_s: float
    achieved_rate_per_s: float
    duration_s: float
    doubts: Sequence[str]
    kinds: Mapping[str, KindResult] = field(default_factory=dict[str, KindResult])

    @property
    def failed(self) -> int:
        """Requests that were not answered as expected."""
        return self.count - self.ok

    @property
    def valid(self) -> bool:
        """True if the generator kept its schedule, so that the figures are the service's."""
        return not self.doubts

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values, with `failed` and `valid` spelled out."""
        return {**asdict(self), "failed": self.failed, "valid": self.valid}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LoadResult:
        """The result that `to_json` wrote."""
        plain = dict(values)
        for derived in ("failed", "valid"):
            plain.pop(derived, None)
        for name in ("latency", "latency_all", "lag"):
            plain[name] = Latency(**plain[name])
        plain["kinds"] = {
            name: KindResult(kind["count"], kind["ok"], kind["reasons"], Latency(**kind["latency"]))
            for name, kind in plain["kinds"].items()
        }
        return cls(**plain)


def summarise(plan: Plan, records: Sequence[Record], scheduled_s: float) -> LoadResult:
    """The figures of a load whose arrivals took `scheduled_s` seconds."""
    lag = Latency.of(record.lag_s for record in records)
    reasons = _reasons(records)
    achieved = len(records) / scheduled_s if scheduled_s > 0 else 0.0
    return LoadResult(
        count=len(records),
        ok=sum(record.ok for record in records),
        reasons=reasons,
        latency=Latency.of(record.latency_s for record in records if record.ok),
        latency_all=Latency.of(record.latency_s for record in records),
        lag=lag,
        planned_rate_per_s=plan.rate_per_s,
        achieved_rate_per_s=round(achieved, 2),
        duration_s=round(scheduled_s, 3),
        doubts=_doubts(plan, lag, reasons, len(records)),
        kinds={kind.name: _kind_result(kind.name, records) for kind in plan.kinds},
    )


def _kind_result(name: str, records: Iterable[Record]) -> KindResult:
    own = [record for record in records if record.kind == name]
    latency = Latency.of(record.latency_s for record in own if record.ok)
    return KindResult(len(own), sum(record.ok for record in own), _reasons(own), latency)


def _reasons(records: Iterable[Record]) -> dict[str, int]:
    counted = Counter(record.reason for record in records if not record.ok)
    return dict(counted.most_common())


def _doubts(plan: Plan, lag: Latency, reasons: Mapping[str, int], count: int) -> list[str]:
    doubts = [
        f"the generator ran out of room for {reasons[own]} requests ({own})"
        for own in OWN_FAILURES
        if own in reasons
    ]
    if not count:
        doubts.append("no request was sent")
    limits = (("p99", lag.p99_ms, plan.lag_p99_limit_s), ("max", lag.max_ms, plan.lag_max_limit_s))
    for name, measured_ms, limit_s in limits:
        if measured_ms > limit_s * 1000:
            doubts.append(
                f"the generator sent late: lag {name} {measured_ms:.1f} ms, "
                f"limit {limit_s * 1000:.1f} ms"
            )
    return doubts
