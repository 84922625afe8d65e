"""Results of checks and their body in `application/health+json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dreamnet.health.check import Check, Finding
from dreamnet.health.status import Status, aggregate

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check's latest finding and when it was made."""

    check: Check
    finding: Finding
    at: datetime

    @property
    def verdict(self) -> tuple[Status, bool]:
        """Status and criticality, as `aggregate` takes them."""
        return self.finding.status, self.check.critical

    def body(self) -> Json:
        """Return this outcome as one entry of the body's `checks`."""
        finding = self.finding
        entry: Json = {
            "componentType": self.check.component_type,
            "status": finding.status.value,
            "time": self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "critical": self.check.critical,
        }
        if finding.observed_value is not None:
            entry["observedValue"] = finding.observed_value
        if finding.observed_unit is not None:
            entry["observedUnit"] = finding.observed_unit
        if finding.output:
            entry["output"] = finding.output
        return entry


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers; shown with details only."""

    service_id: str
    release_id: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A status with the outcomes and notes that led to it."""

    status: Status
    outcomes: tuple[Outcome, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Report:
        """Aggregate outcomes into a report."""
        return cls(aggregate(outcome.verdict for outcome in outcomes), tuple(outcomes))

    def merged(self, other: Report) -> Report:
        """Return both reports as one: the worse status, all outcomes and notes."""
        status = aggregate(((self.status, True), (other.status, True)))
        return Report(status, self.outcomes + other.outcomes, self.notes + other.notes)

    def brief(self) -> Json:
        """Return the body for anyone: the status and nothing else."""
        return {"status": self.status.value}

    def checks(self) -> Json:
        """Return the body's `checks`: lists of entries by `name:measurement`."""
        found: dict[str, list[Json]] = {}
        for outcome in self.outcomes:
            found.setdefault(outcome.check.key, []).append(outcome.body())
        return dict(found)

    def full(self, identity: Identity) -> Json:
        """Return the body for those who may see details."""
        body = self.brief() | {"serviceId": identity.service_id}
        if identity.release_id is not None:
            body["releaseId"] = identity.release_id
        if self.notes:
            body["notes"] = list(self.notes)
        return body | {"checks": self.checks()}
