"""Trust by degrees: what each mode of an office lets out, and how a change of mode takes over."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from rig import SHOP, Rig, rig

from dreamnet.agents.hindsight import Lookback, look_back_since
from dreamnet.domain.dreams.dream import Phase
from dreamnet.domain.dreams.would import Ending
from dreamnet.kernel.errors import Conflict
from dreamnet.model.actions import (
    Action,
    ActionPhase,
    Agent,
    Office,
    Proposal,
    Rejected,
    Settled,
    Verb,
)
from dreamnet.model.facts import PartAnswered, PartDied
from dreamnet.model.instances import Exit
from dreamnet.model.policy import OfficeMode, OfficePolicy, ReefPolicy


def trusting(mode: OfficeMode, *offices: Office, capacity: int = 4) -> ReefPolicy:
    """Return a policy with this mode for some offices (heal when none is named)."""
    changed = {one: OfficePolicy(capacity=capacity, mode=mode) for one in offices or (Office.HEAL,)}
    return ReefPolicy(offices=ReefPolicy().offices | changed)


OBSERVE = trusting(OfficeMode.OBSERVE)
SUGGEST = trusting(OfficeMode.SUGGEST)


async def up(one: Rig) -> None:
    await one.until(lambda: one.ready() == 2)
    await one.until(lambda: _nothing_under_way(one))


async def _nothing_under_way(one: Rig) -> bool:
    return all(action.ended is not None for action in await one.actions())


async def resolved(one: Rig) -> bool:
    phases = await one.phases()
    return bool(phases) and set(phases) == {Phase.RESOLVED}


async def would(one: Rig) -> list[Lookback]:
    start, now = one.clock.now() - timedelta(days=1), one.clock.now()
    return await one.store.read(lambda tx: look_back_since(tx, start, now))


async def of_phase(one: Rig, phase: ActionPhase) -> list[Action]:
    return [action for action in await one.actions() if action.phase is phase]


def by_person(target: str, key: str = "op-1", office: Office = Office.DEPLOY) -> Proposal:
    return Proposal(
        key=key, agent=Agent.OPERATOR, performer=Agent.DEPLOYKEEPER,
        office=office, verb=Verb.RESTART, target=target,
    )  # fmt: skip


async def test_an_observed_death_is_left_alone_until_a_person_acts(tmp_path: Path) -> None:
    async with rig(tmp_path, policy=OBSERVE) as one:
        await up(one)
        await one.die(one.instance(1))
        for _ in range(30):
            await one.beat(1)
        assert await one.phases() == [Phase.WATCHING]
        assert one.ready() == 1
        [seen] = await would(one)
        assert (seen.action.proposal.verb, seen.outcome.ending) == (Verb.RESTART, Ending.OPEN)
        assert seen.estimate.words == "no record"
        assert isinstance(await one.desk.propose(by_person("shop/1")), Settled)
        await one.until(lambda: resolved(one))
        [dream] = await one.dreams()
        assert (dream.tries, one.ready()) == ((), 2)
        assert "a person did the same (restart shop/1)" in dream.report
        [seen] = await would(one)
        assert seen.outcome.ending is Ending.BY_ANOTHER
        assert seen.outcome.sooner_s == pytest.approx(30, abs=2)
        rows = await one.store.read(lambda tx: tx.ledger.tail(500))
        kinds = [row.kind for row in rows]
        assert (kinds.count("action-observed"), kinds.count("would-ended")) == (1, 1)
        assert kinds.count("action-refused") == 0


@pytest.mark.parametrize("policy", [OBSERVE, SUGGEST], ids=["observe", "suggest"])
async def test_nobody_waits_at_the_gateway_for_what_nobody_starts(
    tmp_path: Path, policy: ReefPolicy
) -> None:
    async with rig(tmp_path, policy=policy) as one:
        await up(one)
        for slot in (1, 2):
            await one.die(one.instance(slot))
        await one.until(lambda: SHOP in one.world.backing_off, beats=5)
        await one.desk.propose(by_person("shop/1"))
        await one.until(lambda: SHOP not in one.world.backing_off)


async def test_what_becomes_well_by_itself_was_needless(tmp_path: Path) -> None:
    async with rig(tmp_path, policy=OBSERVE) as one:
        await up(one)
        hung = one.instance(1)
        for _ in range(3):
            one.answer(hung, good=False)
        await one.dreamkeeper.tick()
        assert await one.phases() == [Phase.WATCHING]
        await one.until(lambda: resolved(one))
        [seen] = await would(one)
        assert (seen.action.proposal.verb, seen.outcome.ending) == (Verb.REPLACE, Ending.NEEDLESS)
        assert one.instance(1).id == hung.id


async def test_a_full_office_would_have_refused_too(tmp_path: Path) -> None:
    policy = trusting(OfficeMode.OBSERVE, capacity=0)
    async with rig(tmp_path, policy=policy) as one:
        await up(one)
        await one.die(one.instance(1))
        for _ in range(5):
            await one.beat(1)
        assert await would(one) == []
        assert "is full" in " ".join(await one.stories())


async def test_the_target_that_a_person_holds_would_have_been_refused(tmp_path: Path) -> None:
    async with rig(tmp_path, policy=OBSERVE) as one:
        await up(one)
        held = by_person("shop").model_copy(update={"performer": Agent.WEAVER})
        assert isinstance(await one.desk.propose(held), Settled)
        await one.die(one.instance(1))
        for _ in range(3):
            await one.beat(1)
        assert await would(one) == []
        assert "another action holds shop" in " ".join(await one.stories())


@pytest.mark.parametrize("mode", [OfficeMode.OBSERVE, OfficeMode.SUGGEST])
async def test_people_and_what_they_wrote_are_not_subject_to_it(
    tmp_path: Path, mode: OfficeMode
) -> None:
    async with rig(tmp_path, policy=trusting(mode, *Office)) as one:
        await up(one)
        for office in (Office.DEPLOY, Office.SCALE, Office.HEAL):
            verdict = await one.desk.propose(by_person("shop/1", f"op-{office}", office))
            assert isinstance(verdict, Settled)
            await one.until(lambda: _nothing_under_way(one))
        one.world.want({SHOP: 1})
        await one.until(lambda: one.ready() == 1)
        assert await would(one) == []


async def test_a_forbidden_office_is_closed_to_people_too(tmp_path: Path) -> None:
    async with rig(tmp_path, policy=trusting(OfficeMode.FORBID, Office.HEAL)) as one:
        await up(one)
        assert isinstance(await one.desk.propose(by_person("shop/1", office=Office.HEAL)), Rejected)


async def test_a_dead_gateway_is_only_observed_too(tmp_path: Path) -> None:
    async with rig(tmp_path, policy=trusting(OfficeMode.OBSERVE, Office.GATEWAY)) as one:
        await up(one)
        end = Exit(at=one.clock.now(), signal=9)
        one.world.apply(PartDied(at=one.clock.now(), part="gateway", exit=end))
        for _ in range(3):
            await one.beat(1)
        assert await one.phases() == [Phase.WATCHING]
        for _ in range(6):
            one.world.apply(PartAnswered(at=one.clock.now(), part="gateway"))
            await one.beat(1)
        [seen] = await would(one)
        assert (seen.action.proposal.office, seen.outcome.ending) == (
            Office.GATEWAY,
            Ending.NEEDLESS,
        )


ORDERS = [
    (OfficeMode.OBSERVE, OfficeMode.AUTO),
    (OfficeMode.SUGGEST, OfficeMode.AUTO),
    (OfficeMode.SUGGEST, OfficeMode.OBSERVE, OfficeMode.AUTO),
    (OfficeMode.OBSERVE, OfficeMode.SUGGEST, OfficeMode.OBSERVE, OfficeMode.AUTO),
    (OfficeMode.OBSERVE, OfficeMode.OBSERVE, OfficeMode.AUTO),
]


@pytest.mark.parametrize("modes", ORDERS, ids="-".join)
async def test_a_new_node_with_another_mode_takes_the_open_dream_over(
    tmp_path: Path, modes: tuple[OfficeMode, ...]
) -> None:
    """Each mode is another node on the same store: the one before it was killed."""
    async with rig(tmp_path, policy=trusting(modes[0])) as one:
        await up(one)
        await one.die(one.instance(1))
        for _ in range(3):
            await one.beat(1)
        machine, clock = one.platform.machine, one.clock
    for mode in modes[1:]:
        async with rig(tmp_path, policy=trusting(mode), machine=machine, clock=clock) as one:
            one.world.adopt(await one.platform.observe())
            if mode is OfficeMode.AUTO:
                await one.until(lambda one=one: resolved(one))
                assert len(await one.dreams()) == 1
                assert one.ready() == 2
                assert await of_phase(one, ActionPhase.PROPOSED) == []
                seen = await would(one)
                assert len(seen) == (OfficeMode.OBSERVE in modes), "written down once"
                assert {each.outcome.ending for each in seen} <= {Ending.TRUSTED_LATER}
            else:
                for _ in range(3):
                    await one.beat(1)
                watches = mode is OfficeMode.OBSERVE
                assert await one.phases() == [Phase.WATCHING if watches else Phase.PROPOSED]
                assert len(await of_phase(one, ActionPhase.PROPOSED)) == (not watches)


async def test_an_estimate_is_what_the_remedy_did_while_it_was_trusted(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await up(one)
        await one.die(one.instance(1))
        await one.until(lambda: resolved(one))
        machine, clock = one.platform.machine, one.clock
    async with rig(tmp_path, policy=OBSERVE, machine=machine, clock=clock) as one:
        one.world.adopt(await one.platform.observe())
        await one.die(one.instance(2))
        for _ in range(3):
            await one.beat(1)
        [seen] = await would(one)
        assert "worked 1 of 1 times for this trouble before" in seen.estimate.words


async def test_a_suggestion_says_how_to_say_yes_once(tmp_path: Path) -> None:
    async with rig(tmp_path, policy=SUGGEST) as one:
        await up(one)
        await one.die(one.instance(1))
        for _ in range(5):
            await one.beat(1)
        [waiting] = await of_phase(one, ActionPhase.PROPOSED)
        said = f"restart waits for a yes: dreamnet reef approve {waiting.id}"
        assert (await one.stories()).count(said) == 1
        assert SHOP not in one.world.backing_off, "the other instance serves"
        await one.desk.decide(waiting.id, approve=True)
        with pytest.raises(Conflict, match="already permitted"):
            await one.desk.decide(waiting.id, approve=True)
        await one.until(lambda: resolved(one))


async def test_an_unanswered_suggestion_is_made_anew_and_the_old_yes_is_void(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path, policy=SUGGEST) as one:
        await up(one)
        await one.die(one.instance(1))
        await one.beat(1)
        [old] = await of_phase(one, ActionPhase.PROPOSED)
        one.clock.advance(timedelta(hours=1))
        with pytest.raises(Conflict, match="not answered within 1h"):
            await one.desk.decide(old.id, approve=True)
        await one.beat(1)
        [new] = await of_phase(one, ActionPhase.PROPOSED)
        assert new.id != old.id
        assert await one.phases() == [Phase.PROPOSED]
        with pytest.raises(Conflict, match="already rejected"):
            await one.desk.decide(old.id, approve=True)
        await one.desk.decide(new.id, approve=True)
        await one.until(lambda: resolved(one))


async def test_a_suggestion_that_was_withdrawn_is_made_again_when_it_is_needed_again(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path, policy=SUGGEST) as one:
        await up(one)
        hung = one.instance(1)
        for _ in range(3):
            one.answer(hung, good=False)
        await one.dreamkeeper.tick()
        [old] = await of_phase(one, ActionPhase.PROPOSED)
        await one.beat(0.1)
        await one.beat(0.1)
        assert await one.phases() == [Phase.VERIFYING]
        for _ in range(3):
            one.answer(hung, good=False)
        await one.dreamkeeper.tick()
        await one.dreamkeeper.tick()
        assert await one.phases() == [Phase.PROPOSED], "not escalated by its own withdrawal"
        [new] = await of_phase(one, ActionPhase.PROPOSED)
        assert new.id != old.id
