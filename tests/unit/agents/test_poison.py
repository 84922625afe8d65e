"""One thing that cannot be read, delivered or awaited does not hold up the rest."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from rig import SHOP, Rig, rig

from dreamnet.domain.dreams.dream import Phase
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.actions import Agent
from dreamnet.model.cases import Case, CaseId, CaseKind
from dreamnet.model.facts import PartAnswered, PartDied
from dreamnet.model.instances import Exit
from dreamnet.model.messages import DeliveryState, Message
from dreamnet.model.services import ServiceName, Slot


async def up(one: Rig) -> None:
    await one.until(lambda: one.ready() == 2)


async def test_a_dream_of_another_version_is_parked_and_the_others_heal(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        now = one.clock.now()
        strange = Case(
            id=CaseId("dream-strange"), kind=CaseKind.DREAM, target="shop/2", fingerprint="f",
            phase="musing", live=True, opened=now, updated=now, data={"phase": "musing"},
        )  # fmt: skip
        await one.store.tx(lambda tx: tx.cases.open(strange))
        victim = one.instance(1)
        await one.die(victim)
        await one.until(lambda: _has_another(one, victim.id))
        live = await one.store.read(lambda tx: tx.cases.live(CaseKind.DREAM))
        assert strange.id in {case.id for case in live}, "nothing of it is changed"


def _has_another(one: Rig, old: str) -> bool:
    found = one.world.of_slot(ServiceName(SHOP), Slot(1))
    return bool(found) and found[0].instance.id != old and found[0].is_ready


async def test_a_receiver_with_a_defect_does_not_hold_up_other_messages(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        heard: list[str] = []

        async def broken(_: Message) -> None:
            raise KeyError("a defect")

        async def hears(message: Message) -> None:
            heard.append(message.message)

        one.relaybot.connect({Agent.DREAMKEEPER: broken, Agent.ENVKEEPER: hears})
        bad = await one.relaybot.send(Agent.OPERATOR, Agent.DREAMKEEPER, "hello", {})
        await one.relaybot.send(Agent.OPERATOR, Agent.ENVKEEPER, "hello", {})
        for _ in range(12):
            await one.relaybot.tick()
            one.clock.advance(timedelta(seconds=40))
        assert heard == ["hello"]
        delivery = await one.store.read(lambda tx: tx.messages.get(bad))
        assert delivery is not None
        assert (delivery.state, delivery.error) == (DeliveryState.DEAD, "KeyError")


async def test_a_cancellation_that_leaks_out_of_a_body_does_not_end_its_loop() -> None:
    turned = asyncio.Event()
    turns = 0

    async def body() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise asyncio.CancelledError
        turned.set()
        await asyncio.Event().wait()

    async with Tasks("test") as tasks:
        tasks.loop("leaky", body)
        async with asyncio.timeout(5):
            await turned.wait()


async def test_a_look_that_began_before_the_death_does_not_hide_it(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        asked = one.clock.now()
        one.clock.advance(timedelta(milliseconds=1))
        at = one.clock.now()
        one.world.apply(PartDied(at=at, part="gateway", exit=Exit(at=at, signal=9)))
        one.world.apply(PartAnswered(at=asked, part="gateway"))
        await one.beat()
        [dream] = await one.dreams()
        assert dream.phase is Phase.ACTING
