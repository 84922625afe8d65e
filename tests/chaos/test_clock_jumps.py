"""The wall clock of root and node jumps an hour, forth and back, in the middle of healing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.chaos_rig import Rig, rig
from tests.chaos.faults import Faults
from tests.chaos.invariants import (
    assert_no_action_twice,
    assert_none_doubled,
    assert_none_stuck,
    assert_nothing_orphaned,
    tell,
)
from tests.chaos.plan import chance, scaled

HOUR_S = 3600
# A healing takes a second or two; after a jump it may take a little longer, but no hour.
LIMIT_S = 25.0


@pytest.fixture
def jumps(tmp_path: Path) -> Path:
    """Return the file that holds by how much the clock is wrong."""
    file = tmp_path / "jump"
    file.write_text("0")
    return file


@pytest.fixture
def world(tmp_path: Path, jumps: Path) -> Iterator[Rig]:
    jumping = Path(__file__).with_name("jumping")
    environment = {"CHAOS_JUMP": str(jumps), "PYTHONPATH": str(jumping)}
    with rig(tmp_path, environment=environment) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_jumps_of_an_hour_forth_and_back(world: Rig, jumps: Path) -> None:
    random = chance("clock")
    faults = Faults(world, random)
    world.load.start()
    for number in range(scaled(12)):
        told = len(world.all_dreams())
        faults.instance()
        faults.some_time(1.0)
        jump_s = random.choice((-HOUR_S, 0, HOUR_S))
        jumps.write_text(f"{jump_s:+d}")
        if number % 3 == 1:
            faults.part("envoy")
        if number % 3 == 2:
            faults.node()  # the next one has to do with what the last one wrote, in its time
        began = time.monotonic()
        world.until(lambda told=told: len(world.all_dreams()) > told, LIMIT_S)
        world.until(lambda: not any(one.live for one in world.all_dreams()), LIMIT_S)
        world.settle(LIMIT_S)
        print(f"chaos: clock {jump_s:+d} s, well after {time.monotonic() - began:.1f} s")  # noqa: T201
    dreams = world.all_dreams()
    assert_none_stuck(dreams)
    assert_none_doubled(dreams)
    assert_no_action_twice(world)
    assert_nothing_orphaned(world)
    assert world.json("ledger", "verify")["broken_at"] is None
    assert {one.status for one in world.load.lost()} <= {0}  # refused, while Envoy was dead
    tell(world, faults, dreams)
