"""One way of keeping services running, as the comparison sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

PARTIES = ("nothing", "restart-always", "systemd-like", "careful", "DreamNet")


@dataclass(frozen=True)
class Sight:
    """What one party did about a fault; seconds after it, None for what did not happen.

    `noticed` is its first sign of having seen anything, `whole` when everything that is wanted
    serves again, `starts` the instants (CLOCK_MONOTONIC) at which it started something.
    """

    noticed: float | None = None
    whole: float | None = None
    starts: tuple[float, ...] = field(default_factory=tuple[float, ...])


class Party(Protocol):
    """A stage with the shop (two instances) and httpbin (one) behind an Envoy of its own."""

    name: str

    @property
    def gateway_url(self) -> str:
        """Where the load goes."""
        ...

    @property
    def data(self) -> Path:
        """The folder with the shop's database and its crash file."""
        ...

    async def open(self) -> None:
        """Start everything and wait until it serves."""
        ...

    async def close(self) -> None:
        """End everything."""
        ...

    async def pid_of(self, target: str) -> int:
        """The pid of a slot (`shop/1`), of `gateway`, or of the supervisor (`node`)."""
        ...

    async def port_of(self, target: str) -> int:
        """The port at which a slot listens itself."""
        ...

    async def aim(self, target: str) -> None:
        """Remember how things are just before a fault."""
        ...

    async def watch(self, target: str, began: float, until: float) -> Sight:
        """Watch until an instant, and tell what was done."""
        ...

    async def reset(self, target: str, /) -> None:
        """Make everything as it was, with a clean record."""
        ...

    async def machinery(self) -> list[int]:
        """The pids of everything that is not a service."""
        ...
