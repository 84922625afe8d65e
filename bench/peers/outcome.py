"""What one fault cost one party: pure sums over the requests and over what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.peers.faults import Fault
from bench.peers.party import Sight
from dreamnet.testing.record import Record

# As many losses this shortly before the end of the window say: requests still fail. A single one
# says nothing: a service that closes an idle connection loses one now and then.
STILL_S = 2.5
STILL_LOST = 2


@dataclass(frozen=True)
class Outcome:
    """One fault, one party, one round; seconds after the fault, None: not within the window.

    `served` is when the last failed request had ended (0 when none failed), `vain` how many starts
    could not help: made while the cause was still there, or of what was well.
    """

    round: int
    fault: str
    party: str
    noticed: float | None
    served: float | None
    whole: float | None
    requests: int
    lost_idempotent: int
    lost_other: int
    vain: int
    slowest: float

    @property
    def key(self) -> tuple[int, str, str]:
        """What tells it from every other."""
        return self.round, self.fault, self.party

    @property
    def lost(self) -> int:
        """All requests that failed."""
        return self.lost_idempotent + self.lost_other

    def to_json(self) -> dict[str, Any]:
        """The outcome as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Outcome:
        """The outcome that `to_json` wrote; TypeError if it is not one."""
        return cls(**values)


def lost_within(records: Iterable[Record], began: float, until: float) -> list[Record]:
    """Failed requests that were under way at the fault or were sent before the window's end."""
    return [one for one in records if one.ended >= began and one.scheduled < until]


def served_again(lost: Sequence[Record], began: float, until: float) -> float | None:
    """Seconds until the last loss was over; None if requests still fail at the window's end."""
    ended = [record.ended for record in lost]
    late = sum(1 for record in lost if record.scheduled >= until - STILL_S)
    return None if late >= STILL_LOST else max(ended, default=began) - began


def starts_in_vain(fault: Fault, sight: Sight, began: float) -> int:
    """Starts beyond the useful ones; while the cause makes every start fail, all of them."""
    if fault.name == "crash-loop":
        return sum(1 for at in sight.starts if at < began + fault.lasts_s)
    return max(0, len(sight.starts) - fault.useful_starts)
