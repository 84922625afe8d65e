"""One running (or ended) copy of a service, as a platform sees it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NewType

from dreamnet.model.record import Record
from dreamnet.model.services import ServiceName, Slot

InstanceId = NewType("InstanceId", str)


class InstanceState(StrEnum):
    """Where an instance is in its life, as far as the platform can see."""

    RUNNING = "running"
    STOPPING = "stopping"
    EXITED = "exited"


class Exit(Record):
    """How an instance ended.

    `code` is None when it was killed by `signal` or when nobody saw the status; `reason` says in
    words what a start met (command missing, not executable), empty for an ordinary end.
    `expected` is true when DreamNet itself stopped it.
    """

    at: datetime
    code: int | None = None
    signal: int | None = None
    reason: str = ""
    expected: bool = False

    def __str__(self) -> str:
        if self.reason:
            return self.reason
        if self.signal is not None:
            return f"killed by signal {self.signal}"
        return f"exit code {self.code}" if self.code is not None else "ended, status unknown"


class Instance(Record):
    """An instance; `key` is the idempotency key of the start that made it.

    `start_ticks` (process start time, platform's unit) and `boot_id` tell this process from a later
    one with the same pid; both are empty on platforms without pids.
    """

    id: InstanceId
    service: ServiceName
    slot: Slot
    key: str
    state: InstanceState
    created: datetime
    host: str = "127.0.0.1"
    port: int = 0
    pid: int | None = None
    start_ticks: int | None = None
    boot_id: str = ""
    exit: Exit | None = None

    @property
    def address(self) -> str:
        """Return `host:port`."""
        return f"{self.host}:{self.port}"

    @property
    def target(self) -> str:
        """Return the name of its slot, such as `shop/1`."""
        return slot_target(self.service, self.slot)


class Usage(Record):
    """What an instance uses now: resident bytes, CPU seconds since its start, open files."""

    rss_bytes: int
    cpu_seconds: float
    open_files: int | None = None


def slot_target(service: ServiceName, slot: Slot) -> str:
    """Return the target name of a slot, such as `shop/1`."""
    return f"{service}/{slot}"
