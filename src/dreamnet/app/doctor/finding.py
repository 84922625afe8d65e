"""What the doctor says of one thing it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: `warn` will hurt some day, `fail` hurts now or at the next start."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, what was seen, where, and how to mend it."""

    name: str
    level: Level
    seen: str
    where: str = ""
    mend: str = ""


def ok(name: str, seen: str, where: str = "") -> Finding:
    """Return that all is well."""
    return Finding(name, Level.OK, seen, where)


def warn(name: str, seen: str, where: str, mend: str) -> Finding:
    """Return what will hurt some day."""
    return Finding(name, Level.WARN, seen, where, mend)


def fail(name: str, seen: str, where: str, mend: str) -> Finding:
    """Return what hurts now, or at the next start."""
    return Finding(name, Level.FAIL, seen, where, mend)
