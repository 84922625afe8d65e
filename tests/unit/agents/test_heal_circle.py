"""The circle of healing, played by real agents on a real store: from a death to its proof."""

from __future__ import annotations

from pathlib import Path

import pytest
from rig import SHOP, Rig, rig, shop

from dreamnet.domain.dreams.diagnosis import SymptomKind
from dreamnet.domain.dreams.dream import Phase
from dreamnet.model.actions import ActionPhase, Agent, Office, Proposal, Rejected, Settled, Verb
from dreamnet.model.facts import EnvInvalid, GatewayRejected, PartAnswered, PartDied
from dreamnet.model.instances import Exit
from dreamnet.model.policy import OfficeMode, OfficePolicy, ReefPolicy
from dreamnet.model.services import Aspect, Env


def approving() -> ReefPolicy:
    """Return a policy under which a person says yes to each healing first."""
    heal = OfficePolicy(capacity=4, mode=OfficeMode.SUGGEST)
    return ReefPolicy(offices=ReefPolicy().offices | {Office.HEAL: heal})


async def up(one: Rig) -> None:
    await one.until(lambda: one.ready() == 2)


async def test_wanted_instances_are_started_through_the_desk(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        assert {action.proposal.verb for action in await one.actions()} == {Verb.START}
        await one.until(lambda: _all_ended(one))
        assert len(await one.actions()) == 2, "nothing is started twice"


async def _all_ended(one: Rig) -> bool:
    return all(action.phase is ActionPhase.SUCCEEDED for action in await one.actions())


async def test_a_killed_instance_is_healed_and_the_story_is_told(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        victim = one.instance(1)
        await one.die(victim)
        await one.until(lambda: _resolved(one))
        [dream] = await one.dreams()
        assert dream.symptom.kind is SymptomKind.CRASH
        assert dream.tries[0].effective is True
        assert one.instance(1).id != victim.id
        ledger = await one.store.read(lambda tx: tx.ledger.tail(200))
        words = [row.body.get("message") for row in ledger if row.kind == "message"]
        assert "health-check-failed-needs-restart" in words
        assert (await one.store.read(lambda tx: tx.ledger.verify())).broken_at is None


async def _resolved(one: Rig) -> bool:
    phases = await one.phases()
    return bool(phases) and all(phase is Phase.RESOLVED for phase in phases)


async def test_an_expected_stop_opens_no_dream(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        proposal = Proposal(
            key="op-1", agent=Agent.OPERATOR, performer=Agent.DEPLOYKEEPER,
            office=Office.DEPLOY, verb=Verb.RESTART, target="shop",
        )  # fmt: skip
        before = {one.instance(1).id, one.instance(2).id}
        assert isinstance(await one.desk.propose(proposal), Settled)
        await one.until(lambda: _restarted(one, before))
        assert await one.dreams() == []


async def _restarted(one: Rig, before: set[str]) -> bool:
    action = next(a for a in await one.actions() if a.proposal.key == "op-1")
    now = {seen.instance.id for seen in one.world.instances.values()}
    return action.phase is ActionPhase.SUCCEEDED and not before & now


async def test_what_cannot_start_backs_off_and_asks_a_person_with_a_bundle(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        one.platform.machine.impossible["shop"] = "command not found: shop"
        await one.until(lambda: _escalated(one), beats=400, seconds=5)
        dreams = [dream for dream in await one.dreams() if dream.bundle]
        assert dreams[0].symptom.kind is SymptomKind.CANNOT_START
        assert dreams[0].bundle["log"] == ["last words"]
        assert SHOP in one.world.backing_off
        assert len(one.platform.machine.started) <= 8, "no loop that burns starts"


async def _escalated(one: Rig) -> bool:
    dreams = await one.dreams()
    return len(dreams) == 2 and all(dream.bundle for dream in dreams)


async def test_readiness_that_is_asked_first_makes_no_hang_of_a_start(tmp_path: Path) -> None:
    """Refused at its start, ready since, and not asked for its liveness again yet."""
    async with rig(tmp_path) as one:
        for _ in range(50):
            await one.beat(0.1, probes=False)
            if one.world.instances:
                break
        started = [seen.instance for seen in one.world.instances.values()]
        for instance in started:
            one.answer(instance, good=False)
            one.answer(instance, good=False)
            one.answer(instance, good=True, only=Aspect.READY)
        await one.beat(0.5, probes=False)
        assert await one.dreams() == []


async def test_a_hang_is_replaced_while_the_old_one_still_stands(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        hung = one.instance(1)
        for _ in range(3):
            one.answer(hung, good=False)
        await one.dreamkeeper.tick()
        [dream] = await one.dreams()
        assert dream.symptom.kind is SymptomKind.HANG

        async def healed() -> bool:
            return one.instance(1).id != hung.id and await _resolved(one)

        await one.until(healed)
        assert (await one.dreams())[0].tries[0].remedy == "replace"


async def test_lost_readiness_of_all_is_one_dream_and_no_restart(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        for _ in range(6):
            for slot in (1, 2):
                one.answer(one.instance(slot), good=False, only=Aspect.READY)
            await one.beat(0.5, probes=False)
        dreams = await one.dreams()
        assert [dream.target for dream in dreams] == ["shop"]
        assert dreams[0].symptom.kind is SymptomKind.ALL_UNREADY
        assert "keep" in dreams[0].symptom.words
        assert all(action.proposal.verb is Verb.START for action in await one.actions())
        await one.until(lambda: _resolved(one))


async def test_without_a_policy_nothing_is_let_out(tmp_path: Path) -> None:
    async with rig(tmp_path, policy=None) as one:
        for _ in range(5):
            await one.beat(1)
        assert one.platform.machine.started == []
        rows = await one.store.read(lambda tx: tx.ledger.tail(100))
        assert {row.kind for row in rows} == {"action-refused"}
        assert len(rows) == 2, "a refusal is recorded once, not each second"


async def test_the_kill_switch_stops_healing_and_resume_goes_on(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        one.halt_file.touch()
        await one.die(one.instance(1))
        for _ in range(10):
            await one.beat(1)
        assert one.ready() == 1
        [dream] = await one.dreams()
        assert "halted" in " ".join(event.words for event in dream.story)
        one.halt_file.unlink()
        await one.until(lambda: _resolved(one))
        assert one.ready() == 2


async def test_approval_is_waited_for(tmp_path: Path) -> None:
    async with rig(tmp_path, policy=approving()) as one:
        await up(one)
        await one.die(one.instance(1))
        for _ in range(3):
            await one.beat(1)
        assert await one.phases() == [Phase.PROPOSED]
        waiting = next(a for a in await one.actions() if a.phase is ActionPhase.PROPOSED)
        await one.desk.decide(waiting.id, approve=True)
        await one.until(lambda: _resolved(one))


async def test_a_remedy_that_nobody_needs_any_more_is_withdrawn(tmp_path: Path) -> None:
    async with rig(tmp_path, policy=approving()) as one:
        await up(one)
        hung = one.instance(1)
        for _ in range(3):
            one.answer(hung, good=False)
        await one.dreamkeeper.tick()
        assert await one.phases() == [Phase.PROPOSED]
        await one.until(lambda: _resolved(one))
        assert ActionPhase.PROPOSED not in {action.phase for action in await one.actions()}
        assert one.instance(1).id == hung.id


async def test_a_denied_remedy_asks_a_person(tmp_path: Path) -> None:
    async with rig(tmp_path, policy=approving()) as one:
        await up(one)
        await one.die(one.instance(1))
        await one.beat(1)
        waiting = next(a for a in await one.actions() if a.phase is ActionPhase.PROPOSED)
        await one.desk.decide(waiting.id, approve=False)
        for _ in range(3):
            await one.beat(1)
        assert await one.phases() == [Phase.ESCALATED]


async def test_missing_variables_are_told_by_name_and_nothing_is_started(tmp_path: Path) -> None:
    spec = shop(env=Env.model_validate({"from": ["dotenv:.env"], "required": ["KEY", "URL"]}))
    async with rig(tmp_path, spec) as one:
        one.source.values = {"URL": "  "}
        for _ in range(4):
            await one.beat(2)
        assert one.platform.machine.started == []
        [dream] = await one.dreams()
        assert (dream.symptom.kind, dream.phase) == (SymptomKind.ENV_INVALID, Phase.ESCALATED)
        assert "missing: KEY; blank: URL" in dream.symptom.words
        assert isinstance(one.facts[-1], EnvInvalid)
        one.source.values = {"KEY": "secret-value", "URL": "x"}
        await one.until(lambda: one.ready() == 2, seconds=3)
        await one.until(lambda: _resolved(one), seconds=1)
        texts = str(await one.store.read(lambda tx: tx.ledger.tail(500)))
        assert "secret-value" not in texts


async def test_scale_up_and_down(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        for number, count in ((1, 4), (2, 1)):
            proposal = Proposal(
                key=f"scale-{number}", agent=Agent.OPERATOR, performer=Agent.DEPLOYKEEPER,
                office=Office.SCALE, verb=Verb.SCALE, target="shop", args={"replicas": count},
            )  # fmt: skip
            assert isinstance(await one.desk.propose(proposal), Settled)
            await one.until(lambda count=count: one.ready() == count)
        assert await one.dreams() == []


async def test_the_same_key_is_the_same_action(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        proposal = Proposal(
            key="op-1", agent=Agent.OPERATOR, performer=Agent.DEPLOYKEEPER,
            office=Office.DEPLOY, verb=Verb.RESTART, target="shop",
        )  # fmt: skip
        first, second = await one.desk.propose(proposal), await one.desk.propose(proposal)
        assert isinstance(first, Settled)
        assert isinstance(second, Settled)
        assert first.action.id == second.action.id
        other = await one.desk.propose(proposal.model_copy(update={"key": "op-2"}))
        assert isinstance(other, Rejected)
        assert "another action holds shop" in other.reason


@pytest.mark.parametrize("part", ["node"])
async def test_a_dead_part_that_root_mended_is_a_story_that_ends(tmp_path: Path, part: str) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        at = one.clock.now()
        end = Exit(at=at, reason="killed by signal 9")
        one.world.apply(PartDied(at=at, part=part, exit=end, mended="root started it again"))
        for _ in range(8):
            one.world.apply(PartAnswered(at=one.clock.now(), part=part))
            await one.beat(1)
        [dream] = await one.dreams()
        assert (dream.target, dream.phase) == (part, Phase.RESOLVED)
        assert len(await one.dreams()) == 1, "a told story is not told again"


async def test_a_dead_gateway_is_the_weavers_work(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        end = Exit(at=one.clock.now(), signal=9)
        one.world.apply(PartDied(at=one.clock.now(), part="gateway", exit=end))
        await one.beat()
        action = next(a for a in await one.actions() if a.proposal.target == "gateway")
        assert action.proposal.performer is Agent.WEAVER
        assert action.proposal.office is Office.GATEWAY


async def test_a_rejected_table_is_told_until_one_is_accepted(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        now = one.clock.now
        one.world.apply(PartAnswered(at=now(), part="gateway"))
        one.world.apply(GatewayRejected(at=now(), version="2", rejected=("cds: bad",)))
        await one.beat()
        [dream] = await one.dreams()
        assert dream.phase is Phase.ESCALATED
        one.world.apply(GatewayRejected(at=now(), version="3", rejected=()))
        for _ in range(5):
            one.world.apply(PartAnswered(at=now(), part="gateway"))
            await one.beat(1)
        assert await one.phases() == [Phase.RESOLVED]


async def test_a_death_that_is_told_twice_or_late_is_one_story(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        died = PartDied(at=one.clock.now(), part="room", exit=Exit(at=one.clock.now(), signal=9))
        one.world.apply(died)
        noticed = one.world.parts["room"].noticed
        await one.beat(1)
        one.world.apply(died.model_copy(update={"at": one.clock.now()}))
        assert one.world.parts["room"].noticed == noticed
        late = died.model_copy(update={"at": one.clock.now()})
        await one.beat(1)
        one.world.apply(PartAnswered(at=one.clock.now(), part="room"))
        one.world.apply(late)
        assert one.world.parts["room"].good_in_row == 1
