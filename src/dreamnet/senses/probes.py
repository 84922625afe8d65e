"""The probing sense: asks every instance how it is, again and again, and publishes each answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from dreamnet.kernel.clock import Clock
from dreamnet.kernel.log import logger
from dreamnet.kernel.tasks import Tasks, Wake
from dreamnet.model.facts import Probed
from dreamnet.model.instances import InstanceId
from dreamnet.model.services import Aspect, ProbeKind
from dreamnet.senses.asker import Answer, Asker
from dreamnet.senses.probe_command import CommandAsker
from dreamnet.senses.probe_http import HttpAsker
from dreamnet.senses.probe_tcp import TcpAsker
from dreamnet.senses.schedule import SHORTEST_S, Randomness, Schedule
from dreamnet.senses.secrecy import in_one_line
from dreamnet.senses.target import Question, Target, questions

_COMMANDS_AT_ONCE = 8
_ROOM_S = 0.002  # share of the loop that one hurried question may take: gaps grow with their number

log = logger("probes")


@dataclass(eq=False)
class _Watch:
    """One question put to one target for ever."""

    target: Target
    question: Question
    schedule: Schedule
    wake: Wake = field(default_factory=Wake)
    ended: bool = False


@dataclass(eq=False)
class _Watched:
    """A followed target with its watches and their tasks."""

    target: Target
    tasks: Tasks
    watches: tuple[_Watch, ...]


@dataclass(frozen=True)
class _Heard:
    answer: Answer
    asked_at: float
    took_s: float
    late_s: float
    overrun_s: float


class Prober:
    """Probes what it is told to follow; counting answers into verdicts is the domain's work.

    `publish` gets one fact per answer and aspect, in the event loop; it must not block. Questions
    to one instance never overlap with themselves. Never raises for what an instance does.
    """

    def __init__(self, publish: Callable[[Probed], None], clock: Clock, rng: Randomness) -> None:
        self._publish = publish
        self._clock = clock
        self._rng = rng
        self._tasks = Tasks("probes")
        self._watched: dict[InstanceId, _Watched] = {}
        self._leaving: set[_Watched] = set()
        self._hurried: set[_Watch] = set()
        self._askers: dict[ProbeKind, Asker] = {}
        self._command_places = asyncio.Semaphore(_COMMANDS_AT_ONCE)
        self._closed = False

    def follow(self, wanted: Mapping[InstanceId, Target]) -> None:
        """Probe exactly these instances (live ones) from now on; needs a running event loop.

        Level-triggered: the same again changes nothing. From the moment this returns nothing
        more is published about an instance that is not wanted; its running probe is cancelled.
        """
        if self._closed:
            return
        for instance, watched in tuple(self._watched.items()):
            target = wanted.get(instance)
            if target is None or not target.asks_like(watched.target):
                self._forget(instance)
        fresh = [target for instance, target in wanted.items() if instance not in self._watched]
        for target in fresh:
            self._begin(target, spread_s=_ROOM_S * (len(fresh) - 1))

    def ask_now(self, instance: InstanceId, aspect: Aspect) -> None:
        """Ask once more at once; an instance that is not followed is ignored."""
        watched = self._watched.get(instance)
        for watch in watched.watches if watched else ():
            if aspect in watch.question.aspects:
                watch.wake.ring()

    async def aclose(self) -> None:
        """Stop every probe and close every connection; nothing is published any more."""
        self._closed = True
        for instance in tuple(self._watched):
            self._forget(instance)
        await asyncio.gather(*(self._let_go(watched) for watched in tuple(self._leaving)))
        await self._tasks.drain()
        for asker in self._askers.values():
            await asker.aclose()
        self._askers.clear()

    def _begin(self, target: Target, *, spread_s: float) -> None:
        health = target.spec.health
        watches = tuple(
            _Watch(target, question, Schedule(question.probe, health.start_period, self._rng))
            for question in questions(health)
        )
        tasks = Tasks(f"probes.{target.instance.id}")
        self._watched[target.instance.id] = _Watched(target, tasks, watches)
        for watch in watches:
            watch.schedule.begin(self._clock.monotonic(), spread_s)
            self._hurried.add(watch)
            tasks.loop("+".join(watch.question.aspects), partial(self._ask_for_ever, watch))

    def _forget(self, instance: InstanceId) -> None:
        watched = self._watched.pop(instance)
        for watch in watched.watches:
            watch.ended = True
            self._hurried.discard(watch)
        self._leaving.add(watched)
        self._tasks.once(f"forget.{instance}", partial(self._let_go, watched))

    async def _let_go(self, watched: _Watched) -> None:
        await watched.tasks.drain()
        self._leaving.discard(watched)

    async def _ask_for_ever(self, watch: _Watch) -> None:
        schedule = watch.schedule
        while True:
            await watch.wake.wait(max(0.0, schedule.planned - self._clock.monotonic()))
            heard = await self._ask(watch)
            if watch.ended:
                continue  # forgotten meanwhile: the cancellation is on its way
            self._plan(watch, heard)
            self._tell(watch, heard)

    async def _ask(self, watch: _Watch) -> _Heard:
        """Ask once; a time-out is told with how late we were ourselves, never asked again here.

        Asking again at once would load a machine that is too busy already.
        """
        kind, limit_s = watch.question.probe.kind, _limit_s(watch)
        async with self._place(kind):
            asked_at = self._clock.monotonic()
            try:
                async with asyncio.timeout(limit_s):
                    answer = await self._asker(kind).ask(watch.target, watch.question.probe)
            except TimeoutError:
                words = f"no answer within {limit_s * 1000:.0f} ms"
                answer = Answer(good=False, output=words, timed_out=True)
            except Exception as error:
                log.exception("probe failed", instance=watch.target.instance.id, probe=kind)
                answer = Answer(good=False, output=f"the probe failed: {type(error).__name__}")
            took_s = self._clock.monotonic() - asked_at
            late_s = max(0.0, asked_at - watch.schedule.planned)
            return _Heard(answer, asked_at, took_s, late_s, max(0.0, took_s - limit_s))

    def _place(self, kind: ProbeKind) -> AbstractAsyncContextManager[None]:
        return self._command_places if kind is ProbeKind.COMMAND else nullcontext()

    def _asker(self, kind: ProbeKind) -> Asker:
        asker = self._askers.get(kind)
        if asker is None:
            asker = self._askers[kind] = _make_asker(kind)
        return asker

    def _plan(self, watch: _Watch, heard: _Heard) -> None:
        watch.schedule.after(
            good=heard.answer.good,
            asked_at=heard.asked_at,
            now=self._clock.monotonic(),
            least_s=_ROOM_S * len(self._hurried),
        )
        if watch.schedule.hurried:
            self._hurried.add(watch)
        else:
            self._hurried.discard(watch)

    def _tell(self, watch: _Watch, heard: _Heard) -> None:
        instance, output = watch.target.instance, _output(watch.target, heard.answer)
        now, answer = self._clock.now(), heard.answer
        for aspect in watch.question.aspects:
            self._publish(
                Probed(
                    at=now,
                    service=instance.service,
                    slot=instance.slot,
                    instance=instance.id,
                    aspect=aspect,
                    good=answer.good,
                    output=output,
                    took_ms=_ms(heard.took_s),
                    late_ms=_ms(heard.late_s),
                    timed_out=answer.timed_out,
                    overrun_ms=_ms(heard.overrun_s) if answer.timed_out else 0.0,
                )
            )


def _limit_s(watch: _Watch) -> float:
    return max(SHORTEST_S, watch.question.probe.timeout.total_seconds())


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _output(target: Target, answer: Answer) -> str:
    if not answer.quote.text:
        return answer.output
    said = in_one_line(answer.quote, target.secrets)
    return f"{answer.output}: {said}" if said else answer.output


def _make_asker(kind: ProbeKind) -> Asker:
    match kind:
        case ProbeKind.HTTP:
            return HttpAsker()
        case ProbeKind.TCP:
            return TcpAsker()
        case ProbeKind.COMMAND:
            return CommandAsker()
        case ProbeKind.GRPC:
            from dreamnet.senses.probe_grpc import GrpcAsker  # noqa: PLC0415 - see its docstring

            return GrpcAsker()
