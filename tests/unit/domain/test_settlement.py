"""The simple reef: who gets in, who waits, and why not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.domain.reef.settlement import (
    Occupant,
    Reef,
    attempt_settlement,
    find_best_slot,
)
from dreamnet.model.actions import ActionPhase, Agent, Office, Proposal, Verb, overlaps
from dreamnet.model.policy import OfficeMode, OfficePolicy, ReefPolicy


def proposal(target: str = "shop/1", **changes: object) -> Proposal:
    base = Proposal(
        key="k",
        agent=Agent.DREAMKEEPER,
        performer=Agent.DEPLOYKEEPER,
        office=Office.HEAL,
        verb=Verb.RESTART,
        target=target,
    )
    return base.model_copy(update=changes)


def reef(mode: OfficeMode = OfficeMode.AUTO, capacity: int = 2, *occupants: Occupant) -> Reef:
    policy = ReefPolicy(offices={Office.HEAL: OfficePolicy(capacity=capacity, mode=mode)})
    return Reef(policy, occupants)


def occupant(target: str, phase: ActionPhase = ActionPhase.CLAIMED, **changes: bool) -> Occupant:
    disruptive = changes.get("disruptive", True)
    return Occupant(office=Office.HEAL, target=target, disruptive=disruptive, phase=phase)


def test_a_quiet_reef_lets_a_keeper_in() -> None:
    assert attempt_settlement(proposal(), reef()).permitted


def test_without_a_policy_everything_is_refused() -> None:
    judged = attempt_settlement(proposal(), Reef(None))
    assert not judged.permitted
    assert "no policy" in judged.reason


def test_the_kill_switch_refuses_everything_and_says_how_to_go_on() -> None:
    judged = attempt_settlement(proposal(), Reef(reef().policy, halted=True))
    assert (judged.permitted, judged.mend) == (False, "dreamnet resume")


def test_an_unknown_office_is_refused() -> None:
    judged = attempt_settlement(proposal(office=Office.SCALE), reef())
    assert "unknown office" in judged.reason
    assert "heal" in judged.mend


@pytest.mark.parametrize(
    ("performer", "verb"),
    [(Agent.ENVKEEPER, Verb.RESTART), (Agent.WEAVER, Verb.SCALE), (Agent.OPERATOR, Verb.START)],
)
def test_nobody_performs_what_is_not_his_privilege(performer: Agent, verb: Verb) -> None:
    assert not attempt_settlement(proposal(performer=performer, verb=verb), reef()).permitted


def test_a_forbidden_office_never_lets_out() -> None:
    judged = attempt_settlement(proposal(), reef(OfficeMode.FORBID))
    assert (judged.permitted, judged.waits, judged.retry_after_s) == (False, False, None)


def test_approval_is_asked_for_and_then_enough() -> None:
    asking = attempt_settlement(proposal(), reef(OfficeMode.SUGGEST))
    assert asking.waits
    assert attempt_settlement(proposal(), reef(OfficeMode.SUGGEST), approved=True).permitted


def test_an_observing_office_judges_all_the_same_and_lets_nothing_out() -> None:
    judged = attempt_settlement(proposal(), reef(OfficeMode.OBSERVE))
    assert (judged.observed, judged.permitted, judged.waits) == (True, False, False)
    full = reef(OfficeMode.OBSERVE, 1, occupant("cart/1"))
    assert not attempt_settlement(proposal(), full).observed
    held = reef(OfficeMode.OBSERVE, 5, occupant("shop"))
    assert not attempt_settlement(proposal(), held).observed
    assert not attempt_settlement(proposal(), Reef(held.policy, halted=True)).observed


@given(st.sampled_from(OfficeMode), st.sampled_from(Agent), st.booleans())
def test_trust_is_asked_of_agents_only(mode: OfficeMode, agent: Agent, approved: bool) -> None:
    judged = attempt_settlement(proposal(agent=agent), reef(mode), approved=approved)
    by_will = agent in (Agent.OPERATOR, Agent.DEPLOYKEEPER)
    free = by_will or approved or mode is OfficeMode.AUTO
    assert judged.permitted is (mode is not OfficeMode.FORBID and free)
    assert judged.waits is (mode is OfficeMode.SUGGEST and not free)
    assert judged.observed is (mode is OfficeMode.OBSERVE and not free)


def test_one_disruptive_action_per_target() -> None:
    busy = reef(OfficeMode.AUTO, 5, occupant("shop"))
    assert "holds shop" in attempt_settlement(proposal("shop/2"), busy).reason
    assert attempt_settlement(proposal("cart/1"), busy).permitted
    assert attempt_settlement(proposal("shop/2", disruptive=False), busy).permitted
    gentle = reef(OfficeMode.AUTO, 5, occupant("shop", disruptive=False))
    assert attempt_settlement(proposal("shop/2"), gentle).permitted


def test_a_full_office_says_so() -> None:
    full = reef(OfficeMode.AUTO, 1, occupant("cart/1"))
    assert "full (1 of 1)" in attempt_settlement(proposal(), full).reason
    ended = reef(OfficeMode.AUTO, 1, occupant("cart/1", ActionPhase.SUCCEEDED))
    assert attempt_settlement(proposal(), ended).permitted


def test_an_office_without_capacity_lets_nothing_out() -> None:
    assert not attempt_settlement(proposal(), reef(OfficeMode.AUTO, 0)).permitted


def test_slots_of_a_service_stand_apart() -> None:
    assert overlaps("shop", "shop/1")
    assert overlaps("shop/1", "shop")
    assert overlaps("shop/1", "shop/1")
    assert not overlaps("shop/1", "shop/10")
    assert not overlaps("shop", "shopping/1")


@given(st.integers(0, 20), st.sets(st.integers(0, 25)))
def test_the_best_slot_is_free_and_within_the_capacity(capacity: int, taken: set[int]) -> None:
    slot = find_best_slot(capacity, taken)
    if slot is None:
        assert set(range(capacity)) <= taken
    else:
        assert slot not in taken
        assert slot < capacity


@given(st.lists(st.sampled_from(["a", "a/1", "a/2", "b", "b/1"]), max_size=30), st.integers(0, 4))
def test_occupancy_never_exceeds_capacity_nor_shares_a_target(
    targets: list[str], capacity: int
) -> None:
    inside: list[Occupant] = []
    for target in targets:
        state = reef(OfficeMode.AUTO, capacity, *inside)
        if attempt_settlement(proposal(target), state).permitted:
            inside.append(occupant(target, ActionPhase.PERMITTED))
    assert len(inside) <= capacity
    for one in inside:
        assert sum(overlaps(one.target, other.target) for other in inside) == 1


@given(
    st.sampled_from(["bank", "bank/1", "bank/certificate"]),
    st.sampled_from(Verb),
    st.sampled_from(Agent),
    st.booleans(),
)
def test_what_is_only_watched_is_never_touched(
    target: str, verb: Verb, performer: Agent, approved: bool
) -> None:
    policy = ReefPolicy(offices={Office.HEAL: OfficePolicy(capacity=2)})
    wanted = proposal(target, verb=verb, performer=performer)
    judged = attempt_settlement(
        wanted, Reef(policy, untouchable=frozenset({"bank"})), approved=approved
    )
    assert not judged.permitted
    assert not judged.waits
    assert judged.retry_after_s is None
    assert "only watched" in judged.reason
