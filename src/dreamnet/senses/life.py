"""Sees instances die, from the platform's own watch."""

from __future__ import annotations

from collections.abc import Callable

from dreamnet.drivers.platforms.base import Platform
from dreamnet.kernel.clock import Clock
from dreamnet.model.facts import Fact, InstanceExited


async def watch_instances(
    platform: Platform, publish: Callable[[Fact], None], clock: Clock
) -> None:
    """Publish a fact at the moment an instance's process ends; runs for ever."""
    async for instance in platform.watch():
        if instance.exit is None:
            continue
        publish(
            InstanceExited(
                at=clock.now(),
                service=instance.service,
                slot=instance.slot,
                instance=instance.id,
                exit=instance.exit,
            )
        )
