"""Telemetry: counters become answers per window, and the dead are found without being told."""

from __future__ import annotations

from dreamnet.kernel.clock import ManualClock
from dreamnet.model.facts import Answered, Fact, PartAnswered, PartDied
from dreamnet.model.routes import EndpointSample, GatewaySample
from dreamnet.model.services import ServiceName
from dreamnet.senses.telemetry import Telemetry, answers
from dreamnet.testing.gateway import FakeGateway

SHOP = ServiceName("shop")


def sample(second: float, requests: int, errors: int) -> GatewaySample:
    one = EndpointSample(
        service=SHOP, address="a:1", requests=requests, errors=errors, active=0, healthy=True
    )
    return GatewaySample(monotonic_s=second, endpoints=(one,))


def difference(before: GatewaySample, after: GatewaySample) -> tuple[int, int]:
    [answered] = answers(before, after, ManualClock().now())
    return answered.requests, answered.errors


def test_answers_are_the_difference_of_two_samples() -> None:
    assert difference(sample(0, 10, 1), sample(1, 30, 5)) == (20, 4)


def test_a_restarted_gateway_counts_from_zero() -> None:
    assert difference(sample(0, 1000, 10), sample(1, 7, 2)) == (7, 2)


def test_a_new_endpoint_counts_from_zero() -> None:
    assert difference(GatewaySample(monotonic_s=0, endpoints=()), sample(1, 3, 0)) == (3, 0)


async def test_parts_that_answer_are_told_and_dead_ones_are_found() -> None:
    clock, facts = ManualClock(), list[Fact]()
    gateway = FakeGateway(clock)
    await gateway.open()
    telemetry = Telemetry(gateway, facts.append, clock)
    await telemetry.sample()
    answered = [fact.part for fact in facts if isinstance(fact, PartAnswered)]
    assert answered == ["gateway", "room", "node"]
    assert not [fact for fact in facts if isinstance(fact, PartDied | Answered)]
    facts.clear()
    gateway.kill("gateway")
    await telemetry.sample()
    assert [fact.part for fact in facts if isinstance(fact, PartDied)] == ["gateway"]
    assert telemetry.latest is None


class Counting(FakeGateway):
    """A gateway whose counters a test sets."""

    counters = sample(0, 0, 0)

    async def sample(self) -> GatewaySample:
        return self.counters


async def test_a_silent_endpoint_is_told_of_once() -> None:
    clock, facts = ManualClock(), list[Fact]()
    gateway = Counting(clock)
    await gateway.open()
    telemetry = Telemetry(gateway, facts.append, clock)
    told: list[list[int]] = []
    for second, requests in enumerate((0, 0, 5, 5, 5, 5, 5)):
        facts.clear()
        gateway.counters = sample(second, requests, 0)
        await telemetry.sample()
        told.append([fact.requests for fact in facts if isinstance(fact, Answered)])
    assert told == [[], [], [5], [5], [0], [], []]
