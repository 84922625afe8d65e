"""Ten times the instances cost ten times the work, not a hundred times; nothing new costs little.

Work is counted in calls of functions, not in seconds, so that a busy machine changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from rig import SHOP, Rig, rig, shop

from dreamnet.agents.views import views_of
from dreamnet.agents.weaver import Weaver
from dreamnet.model.instances import Instance, InstanceId, InstanceState
from dreamnet.model.services import Replicas, Slot
from dreamnet.testing.gateway import FakeGateway

FEW, MANY = 6, 60


def calls(work: Callable[[], object]) -> int:
    """Count the calls of Python functions that `work` makes."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def crowd(one: Rig, count: int) -> None:
    """Let `count` instances run that answer their probes."""
    one.world.want({SHOP: count})
    for number in range(1, count + 1):
        one.world.take(
            Instance(
                id=InstanceId(f"shop-{number}"),
                service=SHOP,
                slot=Slot(number),
                key=str(number),
                state=InstanceState.RUNNING,
                created=one.clock.now(),
                port=number,
            )
        )
    one.clock.advance(timedelta(seconds=1))
    one.probe()


def parts(one: Rig) -> dict[str, Callable[[], object]]:
    """What a tick does for every instance."""
    weaver = Weaver(one.desk, one.world, FakeGateway(one.clock), one.facts.append)
    known = one.world.services[SHOP]
    seen = tuple(found.instance for found in one.world.instances.values())
    return {
        "views": lambda: views_of(one.world, one.clock.now()),
        "missing": one.deploykeeper._missing,
        "surplus": one.deploykeeper._surplus,
        "traffic": weaver._table_of_now,
        "refresh": lambda: one.world.refresh(seen),
        "one service": lambda: one.world.of_service(known.name),
    }


async def counted(folder: Path, count: int) -> dict[str, int]:
    folder.mkdir()
    spec = shop(replicas=Replicas(min=1, max=64))
    async with rig(folder, spec) as one:
        crowd(one, count)
        return {name: calls(work) for name, work in parts(one).items()}


async def test_work_grows_with_the_instances_and_not_with_their_square(tmp_path: Path) -> None:
    few = await counted(tmp_path / "few", FEW)
    many = await counted(tmp_path / "many", MANY)
    growth = {name: many[name] / few[name] for name in few}
    assert {name: times for name, times in growth.items() if times > MANY / FEW * 1.3} == {}


async def test_a_slot_is_found_without_a_look_at_the_others(tmp_path: Path) -> None:
    async with rig(tmp_path, shop(replicas=Replicas(min=1, max=64))) as one:
        crowd(one, FEW)
        before = calls(lambda: one.world.of_slot(SHOP, Slot(1)))
        crowd(one, MANY)
        assert calls(lambda: one.world.of_slot(SHOP, Slot(1))) == before


async def test_seconds_in_which_nothing_happens_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, shop(replicas=Replicas(min=3))) as one:
        await one.until(lambda: one.ready() == 3)
        for _ in range(10):
            await one.beat(1.0)
        rung: list[None] = []
        monkeypatch.setattr(one.world, "ring", lambda: rung.append(None))
        head = (await one.store.read(lambda tx: tx.ledger.tail(1)))[-1].seq
        for _ in range(20):
            await one.beat(1.0)
        assert rung == [], "a keeper was woken though nothing had changed"
        assert (await one.store.read(lambda tx: tx.ledger.tail(1)))[-1].seq == head
