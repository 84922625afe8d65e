"""What is seen now: services, instances, parts; in memory, fed by facts, read by every keeper."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from dreamnet.agents.outside import Outside
from dreamnet.domain.dreams.view import Trouble, TroubleKind
from dreamnet.domain.vitals import Verdict, Vitals, weigh
from dreamnet.domain.vitals import step as step_vitals
from dreamnet.kernel.clock import Clock
from dreamnet.kernel.tasks import Wake
from dreamnet.model.facts import (
    Answered,
    EnvInvalid,
    Fact,
    GatewayRejected,
    HeartbeatTold,
    InstanceExited,
    PartAnswered,
    PartDied,
    PartHung,
    Probed,
    WatchAnswered,
)
from dreamnet.model.instances import Exit, Instance, InstanceId, InstanceState, slot_target
from dreamnet.model.services import Aspect, ServiceName, ServiceSpec, Slot

PARTS = ("gateway", "room", "node")


@dataclass
class InstanceSeen:
    """An instance with what its probes and the gateway say of it."""

    instance: Instance
    live: Vitals = field(default_factory=Vitals)
    ready: Vitals = field(default_factory=Vitals)
    answered: Answered | None = None
    withdrawn: bool = False
    noticed: datetime | None = None

    @property
    def running(self) -> bool:
        """Return whether its process runs and nobody is stopping it."""
        return self.instance.state is InstanceState.RUNNING

    @property
    def stopped(self) -> bool:
        """Return whether we ended it, or are about to; what ended by itself was not stopped."""
        exit_ = self.instance.exit
        if exit_ is None:
            return self.instance.state is InstanceState.STOPPING
        return exit_.expected

    @property
    def alive(self) -> bool:
        """Return whether it runs and its liveness does not fail."""
        return self.running and self.live.verdict is not Verdict.FAILING

    @property
    def is_ready(self) -> bool:
        """Return whether it may get traffic."""
        return self.alive and self.ready.verdict is Verdict.WELL


@dataclass
class PartSeen:
    """A part of DreamNet itself; `trouble` stays until its dream is told."""

    good_in_row: int = 0
    trouble: Trouble | None = None
    noticed: datetime | None = None
    answered: datetime | None = None

    @property
    def is_dead(self) -> bool:
        """Return whether its death is known and it has not answered since."""
        return self._is(TroubleKind.DIED)

    @property
    def is_hung(self) -> bool:
        """Return whether it is known to hang and has not answered since."""
        return self._is(TroubleKind.HUNG)

    def _is(self, kind: TroubleKind) -> bool:
        known = self.trouble is not None and self.trouble.kind is kind
        return known and self.good_in_row == 0


def _is_older(at: datetime, than: datetime | None) -> bool:
    return than is not None and at <= than


class World:
    """The shared picture. Only `apply`, `refresh` and the marked setters change it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._wakes: list[Wake] = []
        self.services: dict[ServiceName, ServiceSpec] = {}
        self.desired: dict[ServiceName, int] = {}
        self.instances: dict[InstanceId, InstanceSeen] = {}
        # The same by target and by service: every keeper asks for them, at every tick.
        self._places: dict[str, dict[InstanceId, InstanceSeen]] = {}
        self.parts: dict[str, PartSeen] = {part: PartSeen() for part in PARTS}
        self.outside = Outside()
        self.env_problems: dict[ServiceName, EnvInvalid] = {}
        self.failed_starts: dict[str, Exit] = {}
        self.backing_off: frozenset[ServiceName] = frozenset()
        self.in_traffic: frozenset[str] = frozenset()
        self.woven = False
        self.started_at = clock.now()

    def subscribe(self) -> Wake:
        """Return an alarm that rings whenever something notable changes."""
        wake = Wake()
        self._wakes.append(wake)
        return wake

    def ring(self) -> None:
        """Tell every keeper that something notable changed."""
        for wake in self._wakes:
            wake.ring()

    async def until(self, holds: Callable[[], bool], limit_s: float) -> bool:
        """Wait until `holds`, at most `limit_s` seconds; returns whether it does."""
        wake = self.subscribe()
        try:
            async with asyncio.timeout(limit_s):
                while not holds():
                    await wake.wait(0.25)
        except TimeoutError:
            return holds()
        finally:
            self._wakes.remove(wake)
        return True

    def of_slot(self, service: ServiceName, slot: Slot) -> list[InstanceSeen]:
        """Return the instances of a slot, newest first."""
        found = self._places.get(slot_target(service, slot), {}).values()
        return sorted(found, key=lambda seen: seen.instance.created, reverse=True)

    def of_service(self, service: ServiceName) -> list[InstanceSeen]:
        """Return every known instance of a service."""
        return list(self._places.get(service, {}).values())

    def is_vacant(self, service: ServiceName, slot: Slot) -> bool:
        """Return whether a slot holds at most remains of what we stopped ourselves."""
        return all(seen.stopped for seen in self.of_slot(service, slot))

    def adopt(self, observed: tuple[Instance, ...]) -> None:
        """Take over what an earlier node left; what outlived its start period was ready once."""
        self.refresh(observed)
        for seen in self.instances.values():
            spec = self.services.get(seen.instance.service)
            age = self.started_at - seen.instance.created
            if spec is not None and age >= spec.health.start_period:
                seen.ready = replace(seen.ready, ever_well=True)

    def refresh(
        self, observed: tuple[Instance, ...], before: frozenset[InstanceId] | None = None
    ) -> None:
        """Take over what the platform observes; instances it forgot are forgotten here too.

        `before` names what was known when the look began: what came meanwhile is kept.
        """
        known = {instance.id for instance in observed}
        old = self.instances if before is None else before & self.instances.keys()
        gone = [seen_id for seen_id in old if seen_id not in known]
        for seen_id in gone:
            self._drop(seen_id)
        notable = bool(gone)
        for instance in observed:
            notable = self._take(instance) or notable
        if notable:
            self.ring()

    def take(self, instance: Instance) -> None:
        """Take over one instance as the platform now sees it."""
        if self._take(instance):
            self.ring()

    def _take(self, instance: Instance) -> bool:
        seen = self.instances.get(instance.id)
        if seen is None:
            self._keep(InstanceSeen(instance))
            self.failed_starts.pop(instance.target, None)
            return True
        changed = seen.instance is not instance and seen.instance != instance
        # The end of a process is final: an older look at it must not bring it back.
        if changed and seen.instance.state is not InstanceState.EXITED:
            seen.instance = instance
            if instance.exit is not None:
                seen.noticed = seen.noticed or self.clock.now()
            return True
        return False

    def forget(self, instance: InstanceId) -> None:
        """Drop an ended instance at once, so that its end is not judged after its story."""
        if instance in self.instances:
            self._drop(instance)
            self.ring()

    def _keep(self, seen: InstanceSeen) -> None:
        self.instances[seen.instance.id] = seen
        for place in (seen.instance.target, seen.instance.service):
            self._places.setdefault(place, {})[seen.instance.id] = seen

    def _drop(self, instance: InstanceId) -> None:
        was = self.instances.pop(instance).instance
        for place in (was.target, was.service):
            del self._places[place][instance]
            if not self._places[place]:
                del self._places[place]

    def withdraw(self, instance: InstanceId) -> None:
        """Ask the weaver to take an instance out of traffic."""
        seen = self.instances.get(instance)
        if seen is not None and not seen.withdrawn:
            seen.withdrawn = True
            self.ring()

    def readmit(self, instance: InstanceId) -> None:
        """Let an instance that could not be stopped have traffic again."""
        seen = self.instances.get(instance)
        if seen is not None and seen.withdrawn:
            seen.withdrawn = False
            self.ring()

    def mark_failed_start(self, target: str, reason: str) -> None:
        """Note that a slot could not even get a process; its dream tries again, not the loop."""
        self.failed_starts[target] = Exit(at=self.clock.now(), reason=reason)
        self.ring()

    def want(self, desired: Mapping[ServiceName, int]) -> None:
        """Set how many instances each service should have."""
        if self.desired != dict(desired):
            self.desired = dict(desired)
            self.ring()

    def mark_traffic(self, addresses: frozenset[str]) -> None:
        """Note which addresses the gateway serves now."""
        if not self.woven or self.in_traffic != addresses:
            self.in_traffic, self.woven = addresses, True
            self.ring()

    def mark_backing_off(self, services: frozenset[ServiceName]) -> None:
        """Note the services whose healing waits or gave up."""
        if self.backing_off != services:
            self.backing_off = services
            self.ring()

    def clear_trouble(self, part: str) -> None:
        """Forget a part's trouble after its story is told."""
        if part in self.parts:
            self.parts[part].trouble = None

    def apply(self, fact: Fact) -> None:
        """Take in one fact; keepers are woken when it is notable."""
        if self._applied(fact):
            self.ring()

    def _applied(self, fact: Fact) -> bool:
        match fact:
            case Probed():
                return self._probed(fact)
            case InstanceExited():
                return self._exited(fact)
            case Answered():
                return self._answered(fact)
            case PartDied() | PartHung() | PartAnswered() | GatewayRejected():
                return self._part(fact)
            case EnvInvalid():
                return self._env(fact)
            case WatchAnswered() | HeartbeatTold():
                return self.outside.apply(fact)

    def _probed(self, fact: Probed) -> bool:
        seen = self.instances.get(fact.instance)
        spec = self.services.get(fact.service)
        if seen is None or spec is None:
            return False
        live = fact.aspect is Aspect.LIVE
        before = seen.live if live else seen.ready
        probe = spec.health.live if live else spec.health.ready
        after = step_vitals(before, fact, probe, weigh(fact, probe.timeout))
        if live:
            seen.live = after
        else:
            seen.ready = after
        return before.verdict is not after.verdict

    def _exited(self, fact: InstanceExited) -> bool:
        seen = self.instances.get(fact.instance)
        if seen is None or seen.instance.exit is not None:
            return False
        seen.noticed = fact.at
        ended = {"state": InstanceState.EXITED, "exit": fact.exit}
        seen.instance = seen.instance.model_copy(update=ended)
        return True

    def _answered(self, fact: Answered) -> bool:
        for seen in self.of_service(fact.service):
            if seen.instance.address == fact.address:
                before, seen.answered = seen.answered, fact
                return is_erring(fact) != is_erring(before)
        return False

    def _part(self, fact: PartDied | PartHung | PartAnswered | GatewayRejected) -> bool:
        match fact:
            case PartAnswered():
                part = self.parts[fact.part]
                # A look that began before the death may end after it; it proves nothing.
                if part.noticed is not None and fact.at <= part.noticed:
                    return False
                part.good_in_row += 1
                part.answered = fact.at
                return part.good_in_row == 1
            case PartDied():
                known = self.parts[fact.part]
                if not fact.mended and (known.is_dead or _is_older(fact.at, known.answered)):
                    return False
                trouble = Trouble(TroubleKind.DIED, str(fact.exit), mended=fact.mended)
                self.parts[fact.part] = PartSeen(0, trouble, fact.at)
            case PartHung():
                return self._hung(fact)
            case GatewayRejected():
                words = "; ".join(fact.rejected)
                trouble = Trouble(TroubleKind.REJECTED, words) if words else None
                self.parts["gateway"].trouble = trouble
                self.parts["gateway"].noticed = fact.at
        return True

    def _hung(self, fact: PartHung) -> bool:
        known = self.parts[fact.part]
        if known.is_dead or known.is_hung or _is_older(fact.at, known.answered):
            return False
        self.parts[fact.part] = PartSeen(0, Trouble(TroubleKind.HUNG, fact.words), fact.at)
        return True

    def _env(self, fact: EnvInvalid) -> bool:
        before = self.env_problems.get(fact.service)
        if fact.missing or fact.blank or fact.unreadable:
            self.env_problems[fact.service] = fact
        else:
            self.env_problems.pop(fact.service, None)
        return (before is None) != (fact.service not in self.env_problems)


FEWEST_REQUESTS = 10
ERRING_SHARE = 0.5


def is_erring(answered: Answered | None) -> bool:
    """Return whether at least half of enough requests failed over the last window."""
    if answered is None or answered.requests < FEWEST_REQUESTS:
        return False
    return answered.errors / answered.requests >= ERRING_SHARE
