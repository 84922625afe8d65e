"""Looks at `dreamnet.toml` and at what its services need."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from dreamnet.agents.envkeeper import EnvKeeper
from dreamnet.agents.world import World
from dreamnet.app.assembly import secret_sources
from dreamnet.app.doctor.settings import Configuration, Gap
from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.errors import ConfigError
from dreamnet.model.settings import Settings, load_settings
from dreamnet.model.watches import UrlWatch, holds_secrets


@dataclass(frozen=True)
class Read:
    """The settings' facts, and the settings themselves unless they are wrong."""

    facts: Configuration
    settings: Settings | None


def look_at_settings(file: Path) -> Read:
    """Read the settings, and the sources of every service's environment."""
    try:
        settings = load_settings(file)
    except ConfigError as error:
        return Read(Configuration(str(file), error.complaints), None)
    is_open = bool(file.stat().st_mode & 0o077)
    facts = Configuration(
        file=str(file),
        complaints=(),
        services=len(settings.services),
        gaps=asyncio.run(_gaps(settings)),
        exposed=is_open and _holds_secrets(settings),
    )
    return Read(facts, settings)


def _holds_secrets(settings: Settings) -> bool:
    node, watches = settings.node, settings.watches.values()
    if node.store.get_secret_value() or node.heartbeat.get_secret_value():
        return True
    urls = [watch.url.get_secret_value() for watch in watches if isinstance(watch, UrlWatch)]
    return any(map(holds_secrets, urls))


async def _gaps(settings: Settings) -> tuple[Gap, ...]:
    world = World(SystemClock())
    world.services.update(settings.services)
    reports = await EnvKeeper(world, secret_sources, lambda _: None).validate()
    return tuple(
        Gap(str(one.service), one.missing, one.blank, one.unreadable)
        for one in reports
        if not one.complete
    )
