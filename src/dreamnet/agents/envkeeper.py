"""EnvKeeper: the only one that sees values; checks that every service's environment is complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dreamnet.agents.world import World
from dreamnet.drivers.secrets.base import SecretSource
from dreamnet.kernel.environ import base_environment
from dreamnet.kernel.errors import DreamNetError, Permanent
from dreamnet.kernel.log import logger
from dreamnet.model.facts import EnvInvalid, Fact
from dreamnet.model.messages import Message
from dreamnet.model.services import ServiceName, ServiceSpec

PERIOD_S = 5.0

log = logger("envkeeper")

Sources = Callable[[ServiceSpec], Mapping[str, SecretSource]]


class IncompleteEnv(Permanent):
    """A service cannot start: names of what is missing, never values."""


@dataclass(frozen=True)
class EnvReport:
    """What is wrong with one service's environment; names only."""

    service: ServiceName
    missing: tuple[str, ...] = ()
    blank: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Return whether nothing is missing, blank or unreadable."""
        return not (self.missing or self.blank or self.unreadable)


class EnvKeeper:
    """Resolves environments for starts and reports gaps as facts."""

    def __init__(self, world: World, sources: Sources, publish: Callable[[Fact], None]) -> None:
        self._world = world
        self._sources = sources
        self._publish = publish
        self._checked = float("-inf")
        self.wake = world.subscribe()

    async def receive(self, message: Message) -> None:
        """Check again at once."""
        log.debug("message", message=message.message)
        self._checked = float("-inf")
        self.wake.ring()

    async def tick(self) -> None:
        """Validate every service every few seconds, and say what changed."""
        now = self._world.clock.monotonic()
        if now - self._checked < PERIOD_S:
            return
        self._checked = now
        for report in await self.validate():
            self._publish(
                EnvInvalid(
                    at=self._world.clock.now(),
                    service=report.service,
                    missing=report.missing,
                    blank=report.blank,
                    unreadable=report.unreadable,
                )
            )

    async def validate(self, service: ServiceName | None = None) -> list[EnvReport]:
        """Return a report for one service, or for each."""
        names = list(self._world.services) if service is None else [service]
        return [(await self._resolve(self._world.services[name]))[1] for name in names]

    async def variables(self, spec: ServiceSpec) -> dict[str, str]:
        """Return the whole environment of a service; `IncompleteEnv` names what is not there."""
        values, report = await self._resolve(spec)
        if report.complete:
            return values
        gaps = {"missing": report.missing, "blank": report.blank, "unreadable": report.unreadable}
        words = "; ".join(f"{what}: {', '.join(names)}" for what, names in gaps.items() if names)
        raise IncompleteEnv(f"environment of {spec.name} is not complete: {words}")

    async def _resolve(self, spec: ServiceSpec) -> tuple[dict[str, str], EnvReport]:
        values = base_environment() | spec.env.set
        unreadable: list[str] = []
        for name, source in self._sources(spec).items():
            try:
                values |= await source.read()
            except DreamNetError:
                unreadable.append(name)
        required = spec.env.required
        return values, EnvReport(
            service=spec.name,
            missing=tuple(name for name in required if name not in values),
            blank=tuple(name for name in required if name in values and not values[name].strip()),
            unreadable=tuple(unreadable),
        )
