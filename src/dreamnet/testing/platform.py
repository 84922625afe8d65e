"""A platform in memory: instances live and die only when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dreamnet.drivers.platforms.base import Start
from dreamnet.drivers.platforms.changes import Changes, Subscription
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.errors import Complaint, NotFound, Unavailable
from dreamnet.model.instances import Exit, Instance, InstanceId, InstanceState, Usage

_FIRST_PORT = 20_000
_FIRST_PID = 1_000
_SIGTERM = 15


@dataclass
class FakeMachine:
    """What outlives the node: hand the same one to a second FakePlatform to play a restart.

    `impossible` maps a `run` line to the reason why it can never run, `output` to the lines it
    logs at its start; `usage` is what an instance uses. While `trouble` is set, every call that
    changes something raises it as `Unavailable`.
    """

    instances: dict[InstanceId, Instance] = field(default_factory=dict[InstanceId, Instance])
    started: list[Start] = field(default_factory=list[Start])
    lines: dict[InstanceId, list[str]] = field(default_factory=dict[InstanceId, list[str]])
    impossible: dict[str, str] = field(default_factory=dict[str, str])
    output: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    usage: dict[InstanceId, Usage] = field(default_factory=dict[InstanceId, Usage])
    trouble: str = ""


class FakePlatform:
    """A Platform without processes; passes the same contract suite as the real ones."""

    def __init__(self, clock: Clock, machine: FakeMachine | None = None) -> None:
        self.machine = machine or FakeMachine()
        self._clock = clock
        self._changes = Changes()
        self._moved = asyncio.Condition()

    # -- what a test does to the world

    async def die(
        self, instance: InstanceId, *, code: int | None = None, signal: int | None = None
    ) -> Instance:
        """Let an instance end by itself, with an exit code or by a signal."""
        return await self._end(
            self._known(instance), Exit(at=self._now(), code=code, signal=signal)
        )

    async def say(self, instance: InstanceId, line: str) -> None:
        """Let an instance log a line."""
        async with self._moved:
            self.machine.lines.setdefault(instance, []).append(line)
            self._moved.notify_all()

    # -- the platform

    async def open(self) -> None:
        """Everything on the machine is known already."""

    async def observe(self) -> tuple[Instance, ...]:
        """Return every instance of the machine."""
        return tuple(self.machine.instances.values())

    def watch(self) -> Subscription:
        """Return the changes from this call on."""
        return self._changes.subscribe()

    async def start(self, start: Start, key: str) -> Instance:
        """Start an instance, once per `key`."""
        self._check_trouble()
        known = next((i for i in self.machine.instances.values() if i.key == key), None)
        if known is not None:
            return known
        self.machine.started.append(start)
        number = len(self.machine.started)
        instance = Instance(
            id=InstanceId(f"{start.spec.name}-{start.slot}-{number}"),
            service=start.spec.name,
            slot=start.slot,
            key=key,
            state=InstanceState.RUNNING,
            created=self._now(),
            port=_FIRST_PORT + number,
        )
        if (reason := self.machine.impossible.get(start.spec.run)) is not None:
            return await self._end(instance, Exit(at=self._now(), reason=reason))
        self.machine.lines[instance.id] = list(self.machine.output.get(start.spec.run, ()))
        return self._set(instance.model_copy(update={"pid": _FIRST_PID + number}))

    async def stop(self, instance: InstanceId, grace: timedelta) -> Instance:
        """End an instance by SIGTERM; it always obeys, whatever `grace`."""
        del grace
        self._check_trouble()
        known = self._known(instance)
        if known.state is InstanceState.EXITED:
            return known
        self._set(known.model_copy(update={"state": InstanceState.STOPPING}))
        await asyncio.sleep(0)
        now = self._known(instance)
        if now.state is InstanceState.EXITED:
            return now
        return await self._end(now, Exit(at=self._now(), signal=_SIGTERM, expected=True))

    async def forget(self, instance: InstanceId) -> None:
        """Drop an ended instance; its lines stay."""
        self._check_trouble()
        known = self.machine.instances.get(instance)
        if known is not None and known.state is InstanceState.EXITED:
            del self.machine.instances[instance]

    def logs(self, instance: InstanceId, *, lines: int, follow: bool) -> AsyncIterator[str]:
        """Yield the last `lines` lines, then new ones until the instance has ended."""
        if instance not in self.machine.instances and instance not in self.machine.lines:
            raise self._not_found(instance)
        return self._lines(instance, lines, follow=follow)

    async def _lines(self, instance: InstanceId, lines: int, *, follow: bool) -> AsyncIterator[str]:
        written = self.machine.lines.setdefault(instance, [])
        position = max(0, len(written) - lines)
        while True:
            while position < len(written):
                yield written[position]
                position += 1
            if not follow or not self._is_alive(instance):
                return
            async with self._moved:
                if position == len(written) and self._is_alive(instance):
                    await self._moved.wait()

    async def usage(self, instance: InstanceId) -> Usage | None:
        """Return what the test has set, nothing much otherwise; None when it is gone."""
        if not self._is_alive(instance):
            return None
        return self.machine.usage.get(instance, Usage(rss_bytes=1_000_000, cpu_seconds=0.0))

    async def close(self) -> None:
        """End every subscription; instances go on."""
        self._changes.end()

    # -- inside

    def _now(self) -> datetime:
        return self._clock.now()

    def _is_alive(self, instance: InstanceId) -> bool:
        known = self.machine.instances.get(instance)
        return known is not None and known.state is not InstanceState.EXITED

    def _check_trouble(self) -> None:
        if self.machine.trouble:
            raise Unavailable(self.machine.trouble)

    def _known(self, instance: InstanceId) -> Instance:
        known = self.machine.instances.get(instance)
        if known is None:
            raise self._not_found(instance)
        return known

    def _not_found(self, instance: InstanceId) -> NotFound:
        known = ", ".join(sorted(self.machine.instances)) or "there are none"
        return NotFound(Complaint(f'no instance "{instance}"', mend=f"known instances: {known}"))

    async def _end(self, instance: Instance, end: Exit) -> Instance:
        async with self._moved:
            ended = self._set(
                instance.model_copy(update={"state": InstanceState.EXITED, "exit": end})
            )
            self._moved.notify_all()
        return ended

    def _set(self, instance: Instance) -> Instance:
        self.machine.instances[instance.id] = instance
        self._changes.publish(instance)
        return instance
