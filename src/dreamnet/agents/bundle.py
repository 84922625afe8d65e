"""What a person needs to take over a dream: last log lines, probe answers, how it ended."""

from __future__ import annotations

from typing import Any

from dreamnet.agents.world import InstanceSeen, World
from dreamnet.drivers.platforms.base import Platform
from dreamnet.kernel.errors import DreamNetError
from dreamnet.model.services import ServiceName, Slot

LOG_LINES = 30


async def collect_bundle(platform: Platform, world: World, target: str) -> dict[str, Any]:
    """Return the bundle of a target; what cannot be read is named, not fatal."""
    service, _, slot = target.partition("/")
    if target in world.parts or ServiceName(service) not in world.services:
        return {"target": target, "instances": []}
    seen = (
        world.of_slot(ServiceName(service), Slot(int(slot)))
        if slot
        else world.of_service(ServiceName(service))
    )
    instances = [await _instance(platform, one) for one in seen]
    return {"target": target, "instances": instances}


async def _instance(platform: Platform, seen: InstanceSeen) -> dict[str, Any]:
    instance = seen.instance
    return {
        "instance": instance.id,
        "state": instance.state,
        "exit": str(instance.exit) if instance.exit else None,
        "live": {"verdict": seen.live.verdict, "output": seen.live.last_output},
        "ready": {"verdict": seen.ready.verdict, "output": seen.ready.last_output},
        "log": await _log(platform, seen),
    }


async def _log(platform: Platform, seen: InstanceSeen) -> list[str]:
    try:
        lines = platform.logs(seen.instance.id, lines=LOG_LINES, follow=False)
        return [line async for line in lines]
    except (DreamNetError, OSError) as error:
        return [f"(log not readable: {error})"]
