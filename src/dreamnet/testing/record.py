"""What happened to each request of a load, and the running counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One request that ended; instants are seconds of CLOCK_MONOTONIC.

    `reason` is empty if all was well, otherwise "status 503", "connect", "disconnected",
    "reset", "timeout", "truncated", "protocol", "overflow", "no-descriptor" or "stopped".
    """

    number: int
    kind: str
    service: str
    idempotent: bool
    scheduled: float
    started: float
    ended: float
    status: int | None
    reason: str

    @property
    def ok(self) -> bool:
        """True if the request was answered as its kind expects."""
        return not self.reason

    @property
    def latency_s(self) -> float:
        """Seconds from the scheduled instant, so that waiting to be sent counts."""
        return self.ended - self.scheduled

    @property
    def lag_s(self) -> float:
        """Seconds by which the generator itself sent it late."""
        return self.started - self.scheduled

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Record:
        """The record that `to_json` wrote."""
        return cls(**values)


@dataclass(slots=True)
class Counts:
    """Running counts of a load: sent = ok + failed + in_flight."""

    sent: int = 0
    ok: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])

    @property
    def in_flight(self) -> int:
        """Requests that were sent and have not ended."""
        return self.sent - self.ok - self.failed

    def add(self, record: Record) -> None:
        """Count a request that ended."""
        if record.ok:
            self.ok += 1
        else:
            self.failed += 1
            self.reasons[record.reason] += 1

    def to_json(self) -> dict[str, Any]:
        """The counts as plain JSON values."""
        return {
            "sent": self.sent,
            "ok": self.ok,
            "failed": self.failed,
            "reasons": dict(self.reasons),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Counts:
        """The counts that `to_json` wrote."""
        reasons = Counter[str](values["reasons"])
        return cls(values["sent"], values["ok"], values["failed"], reasons)
