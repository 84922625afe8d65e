"""What a load consists of: kinds of request, how often, for how long, and under which limits."""

from __future__ import annotations

import math
import random  # noqa: TID251 - a generator of arrivals, seeded by the caller's plan
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import Any, Literal

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
Arrivals = Literal["constant", "poisson"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request in the mix; `weight` is its share relative to the other kinds.

    A request is well when its status is in `expect` or, with `expect` empty, is 200 to 399.
    `unique_header` names a header (such as Idempotency-Key) that gets a new value each time.
    """

    name: str
    path: str = "/"
    method: str = "GET"
    service: str = ""
    host: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    unique_header: str = ""
    expect: tuple[int, ...] = ()
    weight: float = 1.0
    idempotent: bool | None = None

    def __post_init__(self) -> None:
        """Refuse a kind that could not be sent."""
        if not self.path.startswith("/"):
            raise ValueError(f"kind {self.name!r}: path {self.path!r} must start with '/'")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"kind {self.name!r}: weight {self.weight} must be above 0")

    @property
    def repeatable(self) -> bool:
        """True if sending it twice does no harm: as said, or else by its method."""
        if self.idempotent is None:
            return self.method.upper() in IDEMPOTENT_METHODS
        return self.idempotent

    def accepts(self, status: int) -> bool:
        """True if an answer with this status counts as well."""
        return status in self.expect if self.expect else 200 <= status < 400


@dataclass(frozen=True, slots=True)
class Plan:
    """An open-loop load: arrivals follow the clock and never wait for an answer.

    `limit_s` and `limit_count` end it, whichever comes first. `timeout_s` bounds each request,
    `max_in_flight` the memory: beyond it requests fail as "overflow" and the result is invalid.
    A result is also invalid when the generator's own lag passes `lag_p99_limit_s` or
    `lag_max_limit_s`. Idle connections are reused for `keepalive_s` only, which is below what
    common servers allow, so that no request races with a server that closes an idle connection.
    """

    base_url: str
    rate_per_s: float
    kinds: Sequence[Kind]
    seed: int = 1
    limit_s: float = 60.0
    limit_count: int = 1_000_000
    arrivals: Arrivals = "constant"
    timeout_s: float = 10.0
    keepalive_s: float = 1.5
    max_in_flight: int = 4000
    lag_p99_limit_s: float = 0.02
    lag_max_limit_s: float = 0.25

    def __post_init__(self) -> None:
        """Refuse a plan that could not run or would never end."""
        if not self.kinds:
            raise ValueError("plan: kinds is empty; give at least one Kind")
        if len({kind.name for kind in self.kinds}) != len(self.kinds):
            raise ValueError("plan: two kinds have the same name; give each its own")
        if self.arrivals not in ("constant", "poisson"):
            raise ValueError(f"plan: arrivals {self.arrivals!r} must be 'constant' or 'poisson'")
        for name in ("rate_per_s", "limit_s", "limit_count", "timeout_s", "max_in_flight"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"plan: {name} is {value}; it must be finite and above 0")

    def schedule(self) -> Iterator[tuple[float, Kind]]:
        """Each arrival as seconds after the start and its kind; the same for the same seed."""
        times = random.Random(f"{self.seed}:times")
        mix = random.Random(f"{self.seed}:mix")
        kinds, weights = list(self.kinds), list(accumulate(kind.weight for kind in self.kinds))
        at = 0.0
        for number in range(self.limit_count):
            at = self._arrival(number, at, times)
            if at >= self.limit_s:
                return
            yield at, mix.choices(kinds, cum_weights=weights)[0]

    def _arrival(self, number: int, previous: float, times: random.Random) -> float:
        if self.arrivals == "poisson":
            return previous + times.expovariate(self.rate_per_s)
        return number / self.rate_per_s

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote; TypeError or ValueError if it is not one."""
        plain, kinds = dict(values), list[Kind]()
        for kind in plain["kinds"]:
            fields: dict[str, Any] = dict(kind)
            fields["expect"] = tuple(fields.get("expect", ()))
            kinds.append(Kind(**fields))
        plain["kinds"] = kinds
        return cls(**plain)
