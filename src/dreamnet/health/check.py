"""What a check is and what it may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dreamnet.health.status import Status

Observed = int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one run; `output` is shown with details, so keep it free of secrets."""

    status: Status
    output: str = ""
    observed_value: Observed = None
    observed_unit: str | None = None


def passed(output: str = "", value: Observed = None, unit: str | None = None) -> Finding:
    """Return a finding that all is well."""
    return Finding(Status.PASS, output, value, unit)


def warned(output: str, value: Observed = None, unit: str | None = None) -> Finding:
    """Return a finding that needs attention but keeps traffic."""
    return Finding(Status.WARN, output, value, unit)


def failed(output: str, value: Observed = None, unit: str | None = None) -> Finding:
    """Return a finding that the dependency does not work."""
    return Finding(Status.FAIL, output, value, unit)


Answer = Finding | bool | None
CheckFunction = Callable[[], Answer | Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Check:
    """A named question.

    `run` returns a Finding, True or None (pass) or False (fail), or raises (fail). A plain
    function runs in a thread of its own, an `async def` on the event loop.
    `timeout` and `max_age` (how long an answer is reused) are in seconds. Raises ValueError
    on a name that could not be a key of the body, or on impossible times.
    """

    name: str
    run: CheckFunction
    critical: bool = True
    timeout: float = 2.0
    max_age: float = 1.0
    component_type: str = "component"
    measurement: str = "responseTime"

    def __post_init__(self) -> None:
        if not self.name.strip() or ":" in self.name:
            message = f"a check's name must not be blank or hold a colon, got {self.name!r}"
            raise ValueError(message)
        if self.timeout <= 0:
            message = f"check {self.name!r}: timeout must be above 0 seconds, got {self.timeout}"
            raise ValueError(message)
        if self.max_age < 0:
            message = f"check {self.name!r}: max_age must be 0 seconds or more, got {self.max_age}"
            raise ValueError(message)

    @property
    def key(self) -> str:
        """Key of this check in the body: `name:measurement`."""
        return f"{self.name}:{self.measurement}"


def as_finding(answer: object) -> Finding:
    """Read whatever a check function returned; anything but the allowed answers is a failure."""
    if isinstance(answer, Finding):
        return answer
    if answer is None or answer is True:
        return Finding(Status.PASS)
    if answer is False:
        return Finding(Status.FAIL)
    wrong = type(answer).__name__
    return failed(f"the check returned {wrong}; return a Finding, True, False or None")
