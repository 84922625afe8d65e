"""A piece of long work: a phase and data, advanced one fenced step at a time."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from pydantic import Field

from dreamnet.model.record import Record

CaseId = NewType("CaseId", str)


class CaseKind(StrEnum):
    """Which state machine owns the case."""

    DREAM = "dream"


class Case(Record):
    """`data` belongs to the state machine; `live` cases are unique per (kind, fingerprint, target).

    `version` is the fence: an advance names the version it read and is void when another came
    first.
    """

    id: CaseId
    kind: CaseKind
    target: str
    fingerprint: str
    phase: str
    live: bool
    opened: datetime
    updated: datetime
    version: int = 0
    data: dict[str, Any] = Field(default={})
