"""The weaver with a gateway in memory: what it writes when, and what it survives."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from rig import Rig, rig, shop

from dreamnet.agents.weaver import Weaver
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.actions import ActionPhase, Agent, Office, Proposal, Settled, Verb
from dreamnet.model.routes import EndpointHealth, Route
from dreamnet.testing.gateway import FakeGateway

ROUTED = shop(route=Route(host="shop.localhost"))


async def left_by_an_earlier_node(folder: Path) -> Rig:
    async with rig(folder) as first:
        await first.until(lambda: first.ready() == 2)
        first.clock.advance(timedelta(minutes=5))
    return first


async def weaver_of(one: Rig) -> tuple[Weaver, FakeGateway]:
    gateway = FakeGateway(one.clock)
    await gateway.open()
    return Weaver(one.desk, one.world, gateway, one.facts.append), gateway


async def until(holds) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_new_node_writes_no_table_before_its_instances_answered(tmp_path: Path) -> None:
    first = await left_by_an_earlier_node(tmp_path)
    machine, clock = first.platform.machine, first.clock
    async with rig(tmp_path, ROUTED, machine=machine, clock=clock) as one, Tasks("test") as tasks:
        one.world.adopt(await one.platform.observe())
        weaver, gateway = await weaver_of(one)
        tasks.loop("weave", weaver.run)
        await asyncio.sleep(0.1)
        assert gateway.tables == [], "an empty table would take the traffic of the living"
        one.probe()
        await until(lambda: gateway.tables)
        [backend] = gateway.tables[0].backends
        assert {endpoint.health for endpoint in backend.endpoints} == {EndpointHealth.HEALTHY}
        assert len(backend.endpoints) == 2


async def test_what_was_ready_under_the_last_node_keeps_traffic_by_policy(tmp_path: Path) -> None:
    first = await left_by_an_earlier_node(tmp_path)
    machine, clock = first.platform.machine, first.clock
    async with rig(tmp_path, ROUTED, machine=machine, clock=clock) as one, Tasks("test") as tasks:
        one.world.adopt(await one.platform.observe())
        weaver, gateway = await weaver_of(one)
        tasks.loop("weave", weaver.run)
        for _ in range(2):
            one.probe(good=False)
        for seen in one.world.instances.values():
            seen.live = type(seen.live)()
        await until(lambda: gateway.tables)
        [backend] = gateway.tables[0].backends
        assert [one.health for one in backend.endpoints] == [EndpointHealth.HEALTHY] * 2


async def test_an_unforeseen_error_ends_the_gateways_action(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path) as one:
        weaver, gateway = await weaver_of(one)

        async def broken(_: str) -> None:
            raise KeyError("a defect")

        monkeypatch.setattr(gateway, "restart", broken)
        proposal = Proposal(
            key="op", agent=Agent.DREAMKEEPER, performer=Agent.WEAVER,
            office=Office.GATEWAY, verb=Verb.RESTART, target="gateway",
        )  # fmt: skip
        assert isinstance(await one.desk.propose(proposal), Settled)
        await weaver.tick()
        [action] = await one.actions()
        assert action.phase is ActionPhase.FAILED
