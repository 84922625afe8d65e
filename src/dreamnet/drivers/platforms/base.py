"""The seam to what runs instances."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from dreamnet.model.instances import Instance, InstanceId, Usage
from dreamnet.model.services import ServiceSpec, Slot


@dataclass(frozen=True)
class Start:
    """What to start: `variables` is the whole environment, except PORT, which the platform adds."""

    spec: ServiceSpec
    slot: Slot
    variables: Mapping[str, str]


class Platform(Protocol):
    """Runs instances; every method may be repeated with the same end.

    What a platform knows lives outside the node (on disk, in an engine), so a new node sees
    everything an old one started. Errors: `Unavailable` when the world is busy (try again),
    `NotFound` for an instance nobody knows.
    """

    async def open(self) -> None:
        """Find what an earlier node left running and watch it; wrong pids are never adopted."""
        ...

    async def observe(self) -> tuple[Instance, ...]:
        """Return every instance that is known and not yet forgotten, ended ones with their exit."""
        ...

    def watch(self) -> AsyncIterator[Instance]:
        """Yield an instance each time it changes (started, stopping, exited); deaths at once.

        Counts from this call, not from the first `anext`; several changes of one instance may
        come as the latest alone; ends with `close`.
        """
        ...

    async def start(self, start: Start, key: str) -> Instance:
        """Start an instance, or return the one that `key` already started, ended or not.

        A key counts until its instance is forgotten; giving up on this call undoes nothing.

        What can never run (command missing or not executable) returns an exited instance whose
        `exit.reason` says why, so that it is seen and told like any other death.
        """
        ...

    async def stop(self, instance: InstanceId, grace: timedelta) -> Instance:
        """SIGTERM, then after `grace` SIGKILL to the whole group; returns the ended instance.

        Calls at once are one, with the first one's grace. Returns when nothing of it is left.
        """
        ...

    async def forget(self, instance: InstanceId) -> None:
        """Drop an ended instance from `observe`; its logs stay. Unknown ids are fine.

        One that still runs is left alone.
        """
        ...

    def logs(self, instance: InstanceId, *, lines: int, follow: bool) -> AsyncIterator[str]:
        """Yield the last `lines` log lines, oldest first; with `follow` new ones until it ends.

        `NotFound` comes from the call itself, before the first line.
        """
        ...

    async def usage(self, instance: InstanceId) -> Usage | None:
        """Return what a running instance uses; None when it is gone."""
        ...

    async def close(self) -> None:
        """Stop watching; instances go on."""
        ...
