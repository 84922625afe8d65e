"""Kills and stops of every process at random moments: no case is lost, doubled or stuck."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.chaos_rig import REPLICAS, Rig, rig
from tests.chaos.faults import Faults
from tests.chaos.invariants import check
from tests.chaos.plan import NODE_KILLS, chance, scaled
from tests.chaos.vitals import grown, take

# From the kill of a node to the end of the healing that its successor takes up.
HEALING_S = 2.5
PART_HEALING_S = 1.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


def node_kills(world: Rig, faults: Faults, kills: int) -> None:
    """Kill an instance, then the node up to three times while that is healed."""
    done = 0
    while done < kills:
        faults.instance()
        for _ in range(min(3, kills - done)):
            faults.some_time(HEALING_S)
            faults.node()
            done += 1
        world.settle()


def part_kills(world: Rig, faults: Faults, part: str, kills: int) -> None:
    """Kill a part some time after it came back; the next kill may find its story untold."""
    for _ in range(kills):
        faults.some_time(PART_HEALING_S)
        killed = faults.part(part)
        world.until(lambda killed=killed: world.part_pid(part) not in (killed, None))


def bursts(world: Rig, faults: Faults, number: int) -> None:
    """Kill all replicas at once, again some time after all were well.

    A request has five tries, two of them for the waiting room: now and then they are used up.
    """
    for _ in range(number):
        faults.burst()
        world.settle()
        faults.some_time(PART_HEALING_S)


def test_a_few_kills_of_everything(world: Rig) -> None:
    """The fast subset: `make chaos` does each of these often and long."""
    faults = Faults(world, chance("a few of everything"))
    world.load.start()
    node_kills(world, faults, 2)
    part_kills(world, faults, "room", 2)
    world.settle()  # without a room nobody waits for an instance that is to come
    bursts(world, faults, 2)
    assert len(world.load.lost()) <= 1  # see `bursts`
    part_kills(world, faults, "envoy", 2)
    check(world, faults)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_a_killed_node_was_performing_is_taken_up_at_once(world: Rig) -> None:
    faults = Faults(world, chance("performing"))
    claimed = "SELECT id, fence FROM actions WHERE phase = 'claimed'"
    for _ in range(3):
        faults.instance()
        [(action, fence)] = world.until(lambda: world.rows(claimed))
        faults.node()
        began = time.monotonic()
        ended = f"SELECT fence FROM actions WHERE id = '{action}' AND ended IS NOT NULL"
        [(last,)] = world.until(partial(world.rows, ended))
        print(f"chaos: ended {time.monotonic() - began:.2f} s after the kill")  # noqa: T201 - evidence
        assert last == fence + 2, "released, then claimed: nobody waited for the lease's end"
        world.settle()
    check(world, faults)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_kills_of_the_node_in_the_middle_of_healing(world: Rig) -> None:
    faults = Faults(world, chance("node"))
    world.load.start()
    node_kills(world, faults, 3)
    before = take(world)
    node_kills(world, faults, NODE_KILLS - 3)
    check(world, faults)
    assert world.load.lost() == []
    assert grown(before, take(world)) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_kills_of_envoy(world: Rig) -> None:
    """Its open connections break, and for a moment nobody listens: requests are lost and told."""
    faults = Faults(world, chance("envoy"))
    world.load.start()
    part_kills(world, faults, "envoy", 2)
    world.settle()
    before = take(world)
    part_kills(world, faults, "envoy", scaled(50) - 2)
    check(world, faults)
    assert grown(before, take(world)) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_kills_of_the_waiting_room(world: Rig) -> None:
    faults = Faults(world, chance("room"))
    world.load.start()
    part_kills(world, faults, "room", 2)
    world.settle()
    before = take(world)
    part_kills(world, faults, "room", scaled(50) - 2)
    check(world, faults)
    assert world.load.lost() == []
    assert grown(before, take(world)) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_bursts_of_kills_of_all_instances(world: Rig) -> None:
    faults = Faults(world, chance("bursts"))
    world.load.start()
    bursts(world, faults, 2)
    world.settle()
    before = take(world)
    number = scaled(100) // REPLICAS
    bursts(world, faults, number)
    check(world, faults)
    assert len(world.load.lost()) <= 1 + number // 10
    assert grown(before, take(world)) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_root_and_node_die_together_and_up_takes_over(world: Rig) -> None:
    faults = Faults(world, chance("root and node"))
    world.load.start()
    for _ in range(scaled(10)):
        faults.instance()
        faults.some_time(HEALING_S)
        faults.root_and_node()
        world.reap()
        world.start()
    check(world, faults)
    assert world.load.lost() == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_stopped_node_is_replaced_in_the_middle_of_healing(world: Rig) -> None:
    faults = Faults(world, chance("stopped node"))
    world.load.start()
    for _ in range(scaled(5)):
        faults.instance()
        faults.some_time(HEALING_S)
        stopped = faults.node(signal.SIGSTOP)
        world.until(lambda stopped=stopped: world.newest_node() not in (stopped, None))
        world.settle()
    check(world, faults)
    assert world.load.lost() == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", ["envoy", "room"])
def test_a_stopped_part_is_replaced(world: Rig, part: str) -> None:
    faults = Faults(world, chance(f"stopped {part}"))
    for _ in range(scaled(5)):
        began = time.monotonic()
        stopped = faults.part(part, signal.SIGSTOP)
        world.until(lambda stopped=stopped: world.part_pid(part) not in (stopped, None), 20)
        print(f"chaos: stopped {part} replaced after {time.monotonic() - began:.1f} s")  # noqa: T201
        world.settle()
    check(world, faults)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_stopped_instances_are_replaced(world: Rig) -> None:
    faults = Faults(world, chance("stopped instances"))
    for _ in range(scaled(10)):
        faults.instance(signal.SIGSTOP)
        stopped = faults.to_instances[-1]
        world.until(lambda stopped=stopped: stopped.pid not in world.instances().values())
        world.settle()
    check(world, faults)
