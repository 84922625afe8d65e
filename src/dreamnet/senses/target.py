"""What is probed: an instance with its service's questions, each asked only once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dreamnet.kernel.environ import base_environment
from dreamnet.model.instances import Instance
from dreamnet.model.services import Aspect, Health, Probe, ProbeKind, ServiceSpec
from dreamnet.senses.secrecy import secret_texts


@dataclass(frozen=True)
class Target:
    """An instance, its service, and the instance's whole environment except PORT."""

    instance: Instance
    spec: ServiceSpec
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """Return the texts that no output may show: values that are neither plain nor inherited."""
        plain = (self.spec.env.set, base_environment())
        return secret_texts(
            value
            for name, value in self.environment.items()
            if all(known.get(name) != value for known in plain)
        )

    def asks_like(self, other: Target) -> bool:
        """Return whether `other` would be asked the same, so that its probing may simply go on."""
        return self is other or (
            self.instance.address == other.instance.address
            and self.spec.health == other.spec.health
            and self.spec.folder == other.spec.folder
            and self.spec.env.set == other.spec.env.set
            and self.environment == other.environment
        )


@dataclass(frozen=True)
class Question:
    """One probe and the aspects that its answer speaks for."""

    probe: Probe
    aspects: tuple[Aspect, ...]


def questions(health: Health) -> tuple[Question, ...]:
    """Return what to ask: one question when `live` and `ready` would ask the same."""
    live, ready = health.live, health.ready
    if _wording(live) != _wording(ready):
        return Question(live, (Aspect.LIVE,)), Question(ready, (Aspect.READY,))
    slower = {
        "failures": max(live.failures, ready.failures),
        "successes": max(live.successes, ready.successes),
        "jitter": max(live.jitter, ready.jitter),
    }
    return (Question(live.model_copy(update=slower), (Aspect.LIVE, Aspect.READY)),)


def _wording(probe: Probe) -> tuple[object, ...]:
    words = {
        ProbeKind.HTTP: probe.path,
        ProbeKind.GRPC: probe.service,
        ProbeKind.COMMAND: probe.command,
        ProbeKind.TCP: "",
    }
    return probe.kind, words[probe.kind], probe.interval, probe.timeout
