"""A machine that is too busy, played by real agents: nobody heals what is not ill."""

from __future__ import annotations

from pathlib import Path

import pytest
from rig import Rig, rig, shop

from dreamnet.domain.dreams.diagnosis import SymptomKind
from dreamnet.domain.dreams.dream import Phase
from dreamnet.model.actions import ActionPhase, Office
from dreamnet.model.cases import CaseKind
from dreamnet.model.facts import PartAnswered, Probed
from dreamnet.model.instances import Instance
from dreamnet.model.services import Aspect, Replicas, ServiceName

SERVICES, EACH = 4, 10
_DREAM = CaseKind.DREAM
UNDER_WAY = (ActionPhase.PERMITTED, ActionPhase.CLAIMED)


async def crowd(one: Rig) -> list[Instance]:
    """Start forty instances of four services and return them."""
    for number in range(1, SERVICES):
        name = ServiceName(f"shop{number}")
        one.world.services[name] = shop(name=name, replicas=Replicas(min=EACH))
    one.world.want(dict.fromkeys(one.world.services, EACH))
    await one.until(lambda: one.ready() == SERVICES * EACH)
    return [seen.instance for seen in one.world.instances.values()]


def silence(one: Rig, instances: list[Instance], *, late_ms: float = 0.0) -> None:
    """Let nobody answer in time, as many times as it takes to fail."""
    for aspect in (Aspect.LIVE, Aspect.READY):
        for instance in instances:
            one.world.apply(
                Probed(
                    at=one.clock.now(),
                    service=instance.service,
                    slot=instance.slot,
                    instance=instance.id,
                    aspect=aspect,
                    good=False,
                    output="no answer within 500 ms",
                    timed_out=True,
                    overrun_ms=late_ms,
                )
            )


async def healing(one: Rig) -> int:
    """Return how many healing actions are under way."""
    return sum(
        action.proposal.office is Office.HEAL and action.phase in UNDER_WAY
        for action in await one.actions()
    )


async def beat_silently(one: Rig, ill: list[Instance], late_ms: float = 0.0) -> None:
    """One beat in which the ill do not answer, all others do, and the node itself lives."""
    ids = {instance.id for instance in ill}
    await one.beat(0.5, probes=False)
    seen = [found.instance for found in one.world.instances.values() if found.running]
    silence(one, [instance for instance in seen if instance.id in ids], late_ms=late_ms)
    for instance in seen:
        if instance.id not in ids:
            one.answer(instance, good=True)
    one.world.apply(PartAnswered(at=one.clock.now(), part="node"))


async def test_time_outs_of_a_late_prober_heal_nobody(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        everybody = await crowd(one)
        for _ in range(5):
            await beat_silently(one, everybody, late_ms=400)
        assert one.ready() == len(everybody)
        await one.beat(0.5)
        assert await one.dreams() == []


async def test_a_storm_heals_one_at_a_time_and_ends_when_the_machine_is_well(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as one:
        everybody = await crowd(one)
        before, most = {instance.id for instance in everybody}, 0
        for _ in range(12):
            await beat_silently(one, everybody)
            most = max(most, await healing(one))
        replaced = len({i.instance.id for i in one.world.instances.values()} - before)
        assert most == 1
        assert 1 <= replaced <= 12
        dreams = await one.store.read(lambda tx: tx.cases.live(_DREAM))
        told = [case for case in dreams if case.target == "node"]
        assert [case.data["symptom"]["kind"] for case in told] == [SymptomKind.OVERLOADED]

        async def over() -> bool:
            one.world.apply(PartAnswered(at=one.clock.now(), part="node"))
            return not await one.store.read(lambda tx: tx.cases.live(_DREAM))

        await one.until(over)
        now = {i.instance.id for i in one.world.instances.values()}
        assert one.ready() == len(everybody)
        assert len(now - before) <= replaced + 1, "punctual again: nobody else is replaced"


async def test_deaths_in_a_storm_are_healed_at_full_speed(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        everybody = await crowd(one)
        dying, ill = everybody[:4], everybody[4:]
        await beat_silently(one, ill)
        await beat_silently(one, ill)
        for instance in dying:
            await one.die(instance)
        most = 0
        for _ in range(4):
            await one.dreamkeeper.tick()
            most = max(most, await healing(one))
            await beat_silently(one, ill)
        assert most >= len(dying)


@pytest.mark.parametrize("count", [1, 2])
async def test_one_hang_and_two_are_healed_at_once(tmp_path: Path, count: int) -> None:
    async with rig(tmp_path) as one:
        hung = (await crowd(one))[:count]
        await beat_silently(one, hung)
        await beat_silently(one, hung)
        await one.dreamkeeper.tick()
        dreams = await one.dreams()
        assert [dream.phase for dream in dreams] == [Phase.ACTING] * count
        assert {dream.symptom.kind for dream in dreams} == {SymptomKind.HANG}


async def test_a_hang_is_found_by_a_prober_that_is_always_late(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        hung = (await crowd(one))[:1]
        for _ in range(8):
            await beat_silently(one, hung, late_ms=400)
        await one.until(lambda: _replaced(one, hung[0]))


def _replaced(one: Rig, hung: Instance) -> bool:
    return hung.id not in one.world.instances
