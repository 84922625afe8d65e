"""Work that is cut short, fails or comes twice ends the way it would have ended undisturbed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from rig import SHOP, Rig, rig

from dreamnet.model.actions import Action, ActionPhase, Agent, Office, Proposal, Settled, Verb
from dreamnet.model.instances import Instance, InstanceId
from dreamnet.model.policy import HealPolicy
from dreamnet.model.services import Aspect, ServiceName


async def up(one: Rig) -> None:
    await one.until(lambda: one.ready() == 2)
    await one.until(lambda: _no_action_is_under_way(one))


async def _no_action_is_under_way(one: Rig) -> bool:
    return all(action.ended is not None for action in await one.actions())


async def propose(one: Rig, verb: Verb, target: str, **args: int) -> Action:
    verdict = await one.desk.propose(
        Proposal(
            key=f"op-{verb}-{target}", agent=Agent.OPERATOR, performer=Agent.DEPLOYKEEPER,
            office=Office.DEPLOY, verb=verb, target=target, args=args,
        )
    )  # fmt: skip
    assert isinstance(verdict, Settled)
    return verdict.action


async def ended(one: Rig, action: Action, *, probes: bool = True) -> Action:
    for _ in range(60):
        await one.beat(0.5, probes=probes)
        await asyncio.sleep(0.005)
        now = next(a for a in await one.actions() if a.id == action.id)
        if now.ended is not None:
            return now
    raise AssertionError(f"{action.proposal.verb} never ended")


async def test_what_the_file_no_longer_names_is_stopped_once(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        del one.world.services[SHOP]
        one.world.want({})
        await one.until(lambda: not one.world.instances)
        await one.until(lambda: _no_action_is_under_way(one))
        stops = [a for a in await one.actions() if a.proposal.verb is Verb.STOP]
        assert [stop.phase for stop in stops] == [ActionPhase.SUCCEEDED] * 2
        assert await one.dreams() == []


async def test_what_a_cut_off_stop_left_is_started_anew(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        await one.platform.stop(one.instance(1).id, timedelta(0))
        await one.beat(1)
        await one.until(lambda: one.ready() == 2)
        assert await one.dreams() == []
        assert len(one.platform.machine.instances) == 2, "the remains are cleared away"


async def test_a_start_into_a_slot_that_is_taken_starts_nothing(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        action = await ended(one, await propose(one, Verb.START, "shop/1"))
        assert "is there already" in action.detail
        assert len(one.platform.machine.started) == 2


async def test_a_restart_whose_new_instance_fails_leaves_the_old_in_traffic(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        old = one.instance(1)
        one.platform.machine.impossible["shop"] = "command not found: shop"
        action = await ended(one, await propose(one, Verb.RESTART, "shop"))
        assert action.phase is ActionPhase.FAILED
        for _ in range(20):
            await one.beat(1)
        assert one.instance(1).id == old.id
        assert one.ready() == 2
        assert not one.world.instances[old.id].withdrawn


async def test_what_could_not_be_stopped_gets_its_traffic_back(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        one.platform.machine.trouble = "the disk is full"
        action = await ended(one, await propose(one, Verb.RESTART, "shop/1"))
        assert action.phase is ActionPhase.FAILED
        assert not one.world.of_slot(SHOP, one.instance(1).slot)[0].withdrawn


async def test_an_unforeseen_error_ends_the_action(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path) as one:
        await up(one)

        async def broken(*_: object) -> Instance:
            raise KeyError("a defect")

        monkeypatch.setattr(one.platform, "start", broken)
        action = await ended(one, await propose(one, Verb.RESTART, "shop/1"))
        assert (action.phase, action.detail[:8]) == (ActionPhase.FAILED, "KeyError")


async def test_a_lease_that_ran_out_under_way_is_taken_up_by_its_own_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        held: list[bool] = []
        finish = one.desk.finish

        async def watched(action: Action, *, succeeded: bool, detail: str) -> bool:
            held.append(await finish(action, succeeded=succeeded, detail=detail))
            return held[-1]

        monkeypatch.setattr(one.desk, "finish", watched)
        action = await propose(one, Verb.RESTART, "shop/1")
        for _ in range(4):
            await one.beat(5, probes=False)
            await asyncio.sleep(0.01)
        assert (await ended(one, action)).phase is ActionPhase.SUCCEEDED
        assert held == [True]


async def test_an_action_that_fails_again_and_again_is_not_proposed_in_a_storm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path) as one:
        await up(one)

        async def refuses(_: InstanceId) -> None:
            raise PermissionError("folder not writable")

        monkeypatch.setattr(one.platform, "forget", refuses)
        one.world.want({SHOP: 1})
        for _ in range(40):
            await one.beat(0.1)
            await asyncio.sleep(0.002)
        stops = [a for a in await one.actions() if a.proposal.verb is Verb.STOP]
        assert len(stops) == 1


async def test_what_came_while_the_platform_was_looked_at_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        late = one.instance(1).model_copy(update={"id": InstanceId("late")})
        observe = one.platform.observe

        async def slow() -> tuple[Instance, ...]:
            seen = await observe()
            one.world.take(late)
            return seen

        monkeypatch.setattr(one.platform, "observe", slow)
        await one.deploykeeper.tick()
        assert late.id in one.world.instances


async def test_before_the_first_table_a_stop_waits_for_it(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        one.world.woven = False
        await propose(one, Verb.STOP, "shop/1")
        for _ in range(5):
            await one.beat(0.1)
            await asyncio.sleep(0.01)
        assert one.ready() == 2
        one.world.mark_traffic(frozenset())
        await one.until(lambda: len(one.platform.machine.started) == 3)


async def test_a_new_node_leaves_old_and_well_instances_alone(tmp_path: Path) -> None:
    async with rig(tmp_path) as first:
        await up(first)
        first.clock.advance(timedelta(minutes=5))
    async with rig(tmp_path, machine=first.platform.machine, clock=first.clock) as second:
        second.world.adopt(await second.platform.observe())
        for _ in range(3):
            await second.beat(0.1, probes=False)
        assert await second.dreams() == []
        for _ in range(8):
            for seen in list(second.world.instances.values()):
                second.answer(seen.instance, good=False, only=Aspect.READY)
            await second.beat(0.5, probes=False)
        [dream] = await second.dreams()
        assert dream.symptom.kind == "all-unready", "unready ones are not restarted either"


async def test_what_a_dead_node_was_performing_is_taken_up_at_once_and_done_once(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as first:
        await up(first)
        action = await propose(first, Verb.RESTART, "shop/1")
        started = len(first.platform.machine.started)
        await first.beat(0.01, probes=False)
        await first.until(
            lambda: len(first.platform.machine.started) > started, beats=200, seconds=0.001
        )
    async with rig(tmp_path, machine=first.platform.machine, clock=first.clock) as second:
        second.world.adopt(await second.platform.observe())
        [held] = [one for one in await second.actions() if one.id == action.id]
        assert held.lease_until is not None
        assert held.lease_until > second.clock.now(), "the dead node's lease goes on"
        assert await second.store.tx(second.desk.release) == 1
        await second.beat(0.01)
        [taken] = [one for one in await second.actions() if one.id == action.id]
        assert taken.fence == held.fence + 2
        assert not await second.desk.finish(held, succeeded=False, detail="too late")
        assert (await ended(second, action)).phase is ActionPhase.SUCCEEDED
        assert len(second.platform.machine.started) == started + 1


async def test_one_slot_that_gave_up_does_not_make_the_others_fail_fast(tmp_path: Path) -> None:
    async with rig(tmp_path, heal=HealPolicy(tries=1)) as one:
        await up(one)
        one.platform.machine.impossible["shop"] = "command not found: shop"
        await one.die(one.instance(1))
        for _ in range(10):
            await one.beat(1)
        assert [dream.phase for dream in await one.dreams()] == ["escalated"]
        assert ServiceName("shop") not in one.world.backing_off
