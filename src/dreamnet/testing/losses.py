"""The requests that a load lost, and which of them fall between two instants."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from dreamnet.testing.instant import now
from dreamnet.testing.record import Record


@dataclass(slots=True)
class Losses:
    """Failed requests in the order in which they ended, and named marks on the same clock."""

    records: list[Record] = field(default_factory=list[Record])
    marks: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def add(self, record: Record) -> None:
        """Keep a request that failed."""
        self.records.append(record)

    def mark(self, name: str) -> float:
        """Begin a window of this name; it lasts to the next mark. Returns the instant."""
        instant = now()
        self.marks.append((name, instant))
        return instant

    def between(
        self,
        since: float,
        until: float = math.inf,
        *,
        service: str | None = None,
        idempotent: bool | None = None,
    ) -> list[Record]:
        """Failed requests under way at any moment from `since` to `until`.

        A request that is under way in two windows counts in both; `by_mark` counts it once.
        """
        return [
            record
            for record in self.records
            if record.scheduled < until
            and record.ended >= since
            and (service is None or record.service == service)
            and (idempotent is None or record.idempotent == idempotent)
        ]

    def by_mark(self) -> dict[str, list[Record]]:
        """Failed requests by the window in which they ended, each once; "" is before any mark."""
        windows: dict[str, list[Record]] = {"": [], **{name: [] for name, _ in self.marks}}
        for record in self.records:
            begun = [name for name, instant in self.marks if instant <= record.ended]
            windows[begun[-1] if begun else ""].append(record)
        return windows
