"""The bus's contract: facts arrive in order, a slow reader loses the oldest and is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from dreamnet.drivers.bus.base import Bus, Subscription
from dreamnet.drivers.bus.memory import MemoryBus
from dreamnet.model.facts import EnvInvalid, Fact
from dreamnet.model.services import ServiceName

HELD = 4


@pytest.fixture
def bus() -> Bus:
    return MemoryBus(held=HELD)


def fact(number: int) -> Fact:
    """Return a fact that can be told from others."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return EnvInvalid(at=at, service=ServiceName("shop"), missing=(str(number),))


async def rest(subscription: Subscription) -> list[Fact]:
    """Return what a closed subscription still holds."""
    return [one async for one in subscription]


async def test_every_subscription_gets_every_fact_in_order(bus: Bus) -> None:
    first, second = bus.subscribe(), bus.subscribe()
    for number in range(3):
        bus.publish(fact(number))
    await bus.close()
    expected = [fact(0), fact(1), fact(2)]
    assert await rest(first) == expected
    assert await rest(second) == expected
    assert not first.take_missed()


async def test_equal_facts_are_not_merged(bus: Bus) -> None:
    subscription = bus.subscribe()
    bus.publish(fact(1))
    bus.publish(fact(1))
    await bus.close()
    assert await rest(subscription) == [fact(1), fact(1)]


async def test_a_waiting_reader_wakes(bus: Bus) -> None:
    subscription = bus.subscribe()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        reading = group.create_task(anext(subscription))
        await asyncio.sleep(0)
        bus.publish(fact(7))
    assert reading.result() == fact(7)


async def test_a_fact_from_before_the_subscription_is_not_seen(bus: Bus) -> None:
    bus.publish(fact(0))
    subscription = bus.subscribe()
    await bus.close()
    assert await rest(subscription) == []


async def test_a_slow_reader_loses_the_oldest_and_is_told_once(bus: Bus) -> None:
    slow, quick = bus.subscribe(), bus.subscribe()
    for number in range(HELD + 2):
        bus.publish(fact(number))
        assert await anext(quick) == fact(number)
    assert slow.take_missed()
    assert not slow.take_missed()
    assert not quick.take_missed()
    await bus.close()
    assert await rest(slow) == [fact(number) for number in range(2, HELD + 2)]


async def test_a_full_queue_has_lost_nothing_yet(bus: Bus) -> None:
    subscription = bus.subscribe()
    for number in range(HELD):
        bus.publish(fact(number))
    assert not subscription.take_missed()


async def test_a_closed_subscription_gets_nothing_more_and_ends(bus: Bus) -> None:
    subscription = bus.subscribe()
    bus.publish(fact(0))
    subscription.close()
    subscription.close()
    bus.publish(fact(1))
    assert await rest(subscription) == [fact(0)]


async def test_closing_the_bus_ends_a_reader_that_waits(bus: Bus) -> None:
    subscription = bus.subscribe()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        reading = group.create_task(rest(subscription))
        await asyncio.sleep(0)
        await bus.close()
    assert reading.result() == []
    bus.publish(fact(0))
    assert await rest(bus.subscribe()) == []
