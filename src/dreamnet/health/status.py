"""The three states of a check and how many become one."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """State of one check or of a whole service, in the words of `application/health+json`."""

    PASS = "pass"  # noqa: S105 - a status, no password
    WARN = "warn"
    FAIL = "fail"

    @property
    def http_code(self) -> int:
        """503 for fail, 200 for the rest: a warning keeps its traffic."""
        return 503 if self is Status.FAIL else 200


def aggregate(verdicts: Iterable[tuple[Status, bool]]) -> Status:
    """Make one status of (status, critical) pairs.

    Only a critical failure fails the whole; any other blemish is a warning. No pairs: pass.
    """
    total = Status.PASS
    for status, critical in verdicts:
        if status is Status.FAIL and critical:
            return Status.FAIL
        if status is not Status.PASS:
            total = Status.WARN
    return total
