"""Parts that die and parts that hang, as the senses tell it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dreamnet.agents.views import view_of
from dreamnet.agents.world import World
from dreamnet.domain.dreams.diagnosis import SymptomKind, diagnose
from dreamnet.kernel.clock import ManualClock
from dreamnet.model.facts import Fact, PartAnswered, PartDied, PartHung
from dreamnet.model.instances import Exit
from dreamnet.senses.parts import MISSES, STALLED_S, PartPulse
from dreamnet.testing.gateway import FakeGateway

SECOND = timedelta(seconds=1)


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.gateway = FakeGateway(self.clock)
        self.facts: list[Fact] = []
        self.pulse = PartPulse("gateway", self.gateway, self.facts.append, self.clock)

    async def beats(self, number: int) -> None:
        for _ in range(number):
            self.clock.advance(SECOND)
            await self.pulse.beat()


@pytest.fixture
async def rig() -> Rig:
    made = Rig()
    await made.gateway.open()
    return made


async def test_silence_in_a_row_is_a_hang(rig: Rig) -> None:
    rig.gateway.hang("gateway")
    await rig.beats(MISSES - 1)
    assert rig.facts == []
    await rig.beats(1)
    assert [fact.kind for fact in rig.facts] == ["part-hung"]


async def test_an_answer_starts_the_count_again(rig: Rig) -> None:
    rig.gateway.hang("gateway")
    await rig.beats(MISSES - 1)
    await rig.gateway.restart("gateway")
    await rig.beats(1)
    rig.gateway.hang("gateway")
    await rig.beats(MISSES - 1)
    assert rig.facts == []


async def test_a_node_that_was_stalled_itself_blames_nobody(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(_: str) -> bool:
        rig.clock.advance((STALLED_S + 1) * SECOND)
        return False

    monkeypatch.setattr(rig.gateway, "answers", late)
    await rig.beats(10)
    assert rig.facts == []


async def test_the_dead_do_not_hang(rig: Rig) -> None:
    rig.gateway.hang("gateway")
    rig.gateway.kill("gateway")
    await rig.beats(10)
    assert rig.facts == []


def test_a_hang_is_a_trouble_until_it_answers_and_a_death_outranks_it() -> None:
    clock = ManualClock()
    world = World(clock)

    def symptom() -> SymptomKind | None:
        found = diagnose(view_of(world, "gateway", clock.now()), clock.now())
        return None if found is None else found.kind

    def apply(fact: type[Fact], **more: object) -> None:
        clock.advance(SECOND)
        world.apply(fact(at=clock.now(), part="gateway", **more))

    apply(PartAnswered)
    apply(PartHung, words="silent")
    assert symptom() is SymptomKind.HUNG
    apply(PartDied, exit=Exit(at=clock.now(), signal=9))
    apply(PartHung, words="a look that came too late")
    assert symptom() is SymptomKind.DIED
    apply(PartAnswered)
    assert symptom() is None
    apply(PartHung, words="silent")
    apply(PartAnswered)
    assert symptom() is None
