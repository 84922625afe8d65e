"""What the prober asks, of whom, and when it stops."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
import pytest_asyncio

from dreamnet.domain.vitals import Evidence, weigh
from dreamnet.kernel.clock import SystemClock
from dreamnet.model.facts import Probed
from dreamnet.model.instances import Instance, InstanceId, InstanceState
from dreamnet.model.services import Aspect, Health, Probe, ProbeKind, ServiceName, ServiceSpec, Slot
from dreamnet.senses.asker import Answer
from dreamnet.senses.probes import Prober
from dreamnet.senses.secrecy import Quote
from dreamnet.senses.target import Target, questions

LIMIT_S = 10.0
GOOD = Answer(good=True, output="fine")
BAD = Answer(good=False, output="bad")


class FakeAsker:
    """Answers as told and notes when it was asked, when cancelled, and what ran at once."""

    def __init__(self) -> None:
        self.answer: Callable[[], Answer] = lambda: GOOD
        self.takes_s = 0.0
        self.asked: list[tuple[float, InstanceId]] = []
        self.cancelled = 0
        self.running: dict[InstanceId, int] = {}
        self.most = 0
        self.closed = False

    async def ask(self, target: Target, probe: Probe) -> Answer:
        name = target.instance.id
        self.asked.append((time.monotonic(), name))
        self.running[name] = self.running.get(name, 0) + 1
        self.most = max(self.most, self.running[name])
        try:
            await asyncio.sleep(self.takes_s)
            return self.answer()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running[name] -= 1

    async def aclose(self) -> None:
        self.closed = True


class Stage:
    """A prober with a fake asker and its facts."""

    def __init__(self) -> None:
        self.facts: list[Probed] = []
        self.asker = FakeAsker()
        self.prober = Prober(self.facts.append, SystemClock(), random.Random(3))
        self.prober._askers[ProbeKind.TCP] = self.asker

    def follow(self, *targets: Target) -> None:
        self.prober.follow({one.instance.id: one for one in targets})

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not holds():
                await asyncio.sleep(0.002)


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    await made.prober.aclose()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


def probe(**more: object) -> Probe:
    return Probe.model_validate({"interval": "50ms", "timeout": "1s", "jitter": 0, **more})


def target(
    live: Probe | None = None,
    ready: Probe | None = None,
    *,
    name: str = "i-1",
    start_period: timedelta = timedelta(0),
) -> Target:
    live = live or probe()
    instance = Instance(
        id=InstanceId(name),
        service=ServiceName("shop"),
        slot=Slot(2),
        key=name,
        state=InstanceState.RUNNING,
        created=SystemClock().now(),
        port=9,
    )
    health = Health(live=live, ready=ready or live, start_period=start_period)
    return Target(
        instance, ServiceSpec(name=ServiceName("shop"), folder="/", run="x", health=health)
    )


def test_equal_probes_are_one_question_with_the_more_patient_thresholds() -> None:
    live, ready = probe(failures=3, path="/unused"), probe(successes=2, path="/other", jitter=0.2)
    (asked,) = questions(Health(live=live, ready=ready))
    assert asked.aspects == (Aspect.LIVE, Aspect.READY)
    assert (asked.probe.failures, asked.probe.successes, asked.probe.jitter) == (3, 2, 0.2)


@pytest.mark.parametrize(
    ("live", "ready"),
    [
        (probe(kind="http", path="/a"), probe(kind="http", path="/b")),
        (probe(kind="grpc", service="a"), probe(kind="grpc", service="b")),
        (probe(kind="command", command="a"), probe(kind="command", command="b")),
        (probe(kind="tcp"), probe(kind="http")),
        (probe(), probe(interval="60ms")),
        (probe(), probe(timeout="60ms")),
    ],
)
def test_different_probes_are_two_questions(live: Probe, ready: Probe) -> None:
    asked = questions(Health(live=live, ready=ready))
    assert [question.aspects for question in asked] == [(Aspect.LIVE,), (Aspect.READY,)]


async def test_one_answer_is_published_for_both_aspects(stage: Stage) -> None:
    stage.follow(target())
    await stage.until(lambda: len(stage.facts) >= 4)
    assert len(stage.asker.asked) <= len(stage.facts) / 2 + 1
    live, ready = stage.facts[:2]
    assert (live.aspect, ready.aspect) == (Aspect.LIVE, Aspect.READY)
    assert (live.at, live.took_ms, live.output) == (ready.at, ready.took_ms, "fine")
    assert (live.service, live.slot, live.instance) == ("shop", 2, "i-1")
    assert live.good


async def test_questions_to_one_instance_never_overlap(stage: Stage) -> None:
    stage.asker.takes_s = 0.12
    stage.follow(target(probe(interval="10ms")))
    for _ in range(20):
        stage.prober.ask_now(InstanceId("i-1"), Aspect.READY)
        await asyncio.sleep(0.01)
    await stage.until(lambda: len(stage.facts) >= 6)
    assert stage.asker.most == 1


async def test_a_starting_instance_is_seen_ready_quickly(stage: Stage) -> None:
    ready_at = time.monotonic() + 0.3
    stage.asker.answer = lambda: GOOD if time.monotonic() >= ready_at else BAD
    stage.follow(target(probe(interval="60s"), start_period=timedelta(seconds=30)))
    await stage.until(lambda: any(fact.good for fact in stage.facts))
    assert time.monotonic() - ready_at < 0.4


async def test_a_hang_is_told_failures_times_within_two_intervals(stage: Stage) -> None:
    stage.follow(target(probe(interval="600ms", timeout="300ms", jitter=0.1)))
    await stage.until(lambda: len(stage.facts) >= 4)
    stage.asker.takes_s = 60.0
    hung_at = time.monotonic()
    await stage.until(lambda: sum(not fact.good for fact in stage.facts) >= 4)
    assert time.monotonic() - hung_at <= 1.2 + 0.15
    assert stage.facts[-1].output == "no answer within 300 ms"
    assert stage.asker.cancelled >= 2


async def test_ask_now_asks_at_once_and_only_about_its_aspect(stage: Stage) -> None:
    stage.follow(target(probe(interval="60s"), probe(interval="50s")))
    await stage.until(lambda: len(stage.facts) == 2)
    stage.prober.ask_now(InstanceId("i-1"), Aspect.READY)
    await stage.until(lambda: len(stage.facts) == 3)
    assert stage.facts[2].aspect is Aspect.READY
    stage.prober.ask_now(InstanceId("unknown"), Aspect.READY)


async def test_the_same_again_changes_nothing(stage: Stage) -> None:
    for _ in range(5):
        stage.follow(target(probe(interval="60s")))
        await asyncio.sleep(0.01)
    assert len(stage.asker.asked) == 1


async def test_forgetting_ends_the_running_question_and_every_word_about_it(stage: Stage) -> None:
    stage.asker.takes_s = 60.0
    stage.follow(target(probe(timeout="90s")))
    await stage.until(lambda: bool(stage.asker.asked))
    stage.follow()
    await stage.until(lambda: stage.asker.cancelled == 1)
    assert stage.facts == []


async def test_nothing_is_told_once_forgotten_even_when_the_answer_is_there(stage: Stage) -> None:
    def answer() -> Answer:
        stage.follow()
        return GOOD

    stage.asker.answer = answer
    stage.follow(target(probe(interval="10ms")))
    await stage.until(lambda: not stage.prober._leaving and not stage.prober._watched)
    assert stage.facts == []
    assert not stage.prober._hurried


async def test_a_changed_probe_takes_effect_at_once(stage: Stage) -> None:
    stage.follow(target(probe(interval="60s")), target(probe(interval="60s"), name="i-2"))
    await stage.until(lambda: len(stage.asker.asked) == 2)
    stage.follow(target(probe(interval="20ms")), target(probe(interval="60s"), name="i-2"))
    await stage.until(lambda: len(stage.asker.asked) >= 5)
    assert [name for _, name in stage.asker.asked].count(InstanceId("i-2")) == 1


async def test_a_time_out_tells_how_late_our_own_loop_was_and_is_not_asked_again_at_once(
    stage: Stage,
) -> None:
    def answer() -> Answer:
        time.sleep(0.3)
        raise TimeoutError

    stage.asker.answer = answer
    stage.follow(target(probe(timeout="50ms", interval="60s", failures=1)))
    await stage.until(lambda: bool(stage.facts))
    told = stage.facts[0]
    assert (told.good, told.timed_out) == (False, True)
    assert told.overrun_ms >= 250
    assert weigh(told, timedelta(milliseconds=50)) is Evidence.NOTHING
    assert len(stage.asker.asked) == 1


async def test_a_bad_answer_is_no_time_out_however_late(stage: Stage) -> None:
    def answer() -> Answer:
        time.sleep(0.1)
        return BAD

    stage.asker.answer = answer
    stage.follow(target(probe(timeout="50ms", interval="60s", failures=1)))
    await stage.until(lambda: bool(stage.facts))
    assert (stage.facts[0].timed_out, stage.facts[0].overrun_ms) == (False, 0.0)


async def test_an_asker_that_breaks_is_a_bad_answer_and_probing_goes_on(stage: Stage) -> None:
    def answer() -> Answer:
        raise RuntimeError("our own mistake")

    stage.asker.answer = answer
    stage.follow(target(probe(interval="20ms")))
    await stage.until(lambda: len(stage.facts) >= 6)
    assert stage.facts[0].output == "the probe failed: RuntimeError"


async def test_a_listener_that_breaks_does_not_end_the_probing() -> None:
    heard: list[Probed] = []

    def publish(fact: Probed) -> None:
        heard.append(fact)
        if len(heard) == 1:
            raise RuntimeError("listener broke")

    stage = Stage()
    stage.prober._publish = publish
    stage.follow(target(probe(interval="20ms")))
    await stage.until(lambda: len(heard) >= 5)
    await stage.prober.aclose()


async def test_a_quote_of_nothing_printable_is_left_out(stage: Stage) -> None:
    stage.asker.answer = lambda: Answer(good=False, output="500", quote=Quote("\x00\x1b\n"))
    stage.follow(target())
    await stage.until(lambda: bool(stage.facts))
    assert stage.facts[0].output == "500"


async def test_closing_ends_everything_and_may_be_repeated(stage: Stage) -> None:
    stage.asker.takes_s = 60.0
    stage.follow(*(target(name=f"i-{number}") for number in range(50)))
    await stage.until(lambda: len(stage.asker.asked) == 50)
    await stage.prober.aclose()
    assert stage.asker.closed
    assert stage.asker.cancelled == 50
    stage.follow(target())
    stage.prober.ask_now(InstanceId("i-1"), Aspect.LIVE)
    await stage.prober.aclose()
    assert len(stage.asker.asked) == 50


async def test_many_new_instances_are_not_all_asked_at_once(stage: Stage) -> None:
    stage.follow(*(target(probe(interval="60s"), name=f"i-{number}") for number in range(100)))
    await stage.until(lambda: len(stage.asker.asked) == 100)
    times = [at for at, _ in stage.asker.asked]
    assert 0.1 < max(times) - min(times) < 2.0


def test_a_target_never_shows_its_environment() -> None:
    shown = repr(Target(target().instance, target().spec, {"PASSWORD": "hunter2-hunter2"}))
    assert "hunter2" not in shown
