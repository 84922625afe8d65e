"""Sees DreamNet's own parts die: the gateway and its waiting room."""

from __future__ import annotations

from collections.abc import Callable

from dreamnet.drivers.gateway.base import Gateway
from dreamnet.kernel.clock import Clock
from dreamnet.model.facts import Fact, PartDied


async def watch_parts(gateway: Gateway, publish: Callable[[Fact], None], clock: Clock) -> None:
    """Publish a fact at the moment a part's process ends; runs for ever."""
    async for part, exit_ in gateway.watch():
        publish(PartDied(at=clock.now(), part=part, exit=exit_))
