"""The dream's state machine, told as stories: feed what is seen, expect what comes next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.domain.dreams.diagnosis import Remedy, Symptom, SymptomKind, diagnose
from dreamnet.domain.dreams.dream import (
    ActionEnd,
    Dream,
    Phase,
    Seen,
    Step,
    ineffective_tries,
    open_dream,
    pause_after,
    rejected,
    settled,
    step,
)
from dreamnet.domain.dreams.view import Condition, Peers, Trouble, TroubleKind, View
from dreamnet.model.instances import Exit
from dreamnet.model.policy import HealPolicy

T0 = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = HealPolicy()
WELL = View(
    target="shop/1",
    incarnation="i2",
    live=Condition.WELL,
    ready=Condition.WELL,
    ever_ready=True,
    good_in_row=3,
)
DEAD = View(target="shop/1", ended=Exit(at=T0, signal=9), noticed=T0)
HUNG = replace(WELL, live=Condition.FAILING, output="timeout", good_in_row=0)
UNREADY = replace(
    WELL, ready=Condition.FAILING, since=T0 - timedelta(seconds=5), peers=Peers(1, 1, 0)
)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def opened(view: View, *, carried: int = 0) -> Dream:
    symptom = diagnose(view, T0)
    assert symptom is not None
    return open_dream(view, symptom, carried=carried, now=T0)


def run(dream: Dream, seen: Seen, seconds: float) -> Step:
    """Step until nothing changes, as the keeper does within one transaction."""
    for _ in range(12):
        stepped = step(dream, seen, POLICY, at(seconds))
        if stepped.remedy is not None or stepped.dream == dream:
            return stepped
        dream = stepped.dream
    raise AssertionError("the dream never comes to rest")


def acting(view: View, *, carried: int = 0) -> Dream:
    stepped = run(opened(view, carried=carried), Seen(view), 0)
    assert stepped.remedy is not None
    return settled(stepped.dream, stepped.remedy, "act-1", T0)


def test_a_killed_instance_is_restarted_at_once_and_proven() -> None:
    dream = acting(DEAD)
    assert dream.phase is Phase.ACTING
    assert dream.tries[0].remedy is Remedy.RESTART
    dream = run(dream, Seen(WELL, ActionEnd.SUCCEEDED, "ready"), 1).dream
    assert dream.phase is Phase.VERIFYING
    assert run(dream, Seen(WELL), 2).dream.phase is Phase.VERIFYING, "not before it is stable"
    dream = run(dream, Seen(WELL), 4).dream
    assert dream.phase is Phase.RESOLVED
    assert dream.tries[0].effective is True
    assert not dream.live


def test_a_dream_knows_its_present_action() -> None:
    assert opened(DEAD).action == ""
    assert acting(DEAD).action == "act-1"


def test_a_running_action_is_waited_for() -> None:
    dream = acting(DEAD)
    assert run(dream, Seen(DEAD), 1).dream == dream


def test_tries_that_do_not_help_back_off_and_escalate() -> None:
    dream = acting(DEAD)
    waits = []
    for number in range(1, POLICY.tries):
        dream = run(dream, Seen(DEAD, ActionEnd.FAILED, "exit code 3"), 1).dream
        assert dream.phase is Phase.DIAGNOSING
        waits.append((dream.due - at(1)).total_seconds())
        stepped = step(dream, Seen(DEAD), POLICY, dream.due)
        assert stepped.remedy is Remedy.RESTART
        dream = settled(stepped.dream, stepped.remedy, f"act-{number + 1}", dream.due)
    assert waits == [60, 120]
    dream = run(dream, Seen(DEAD, ActionEnd.FAILED, "exit code 3"), 200).dream
    assert dream.phase is Phase.ESCALATED
    assert dream.live


def test_an_escalated_dream_ends_when_someone_else_mends_it() -> None:
    dream = acting(DEAD).model_copy(update={"phase": Phase.ESCALATED})
    assert run(dream, Seen(DEAD), 1).dream == dream
    assert run(dream, Seen(WELL), 2).dream.phase is Phase.RESOLVED
    assert run(dream, Seen(replace(DEAD, wanted=False)), 2).dream.phase is Phase.RESOLVED


def test_a_symptom_that_returns_while_verifying_is_a_failed_try() -> None:
    dream = run(acting(DEAD), Seen(WELL, ActionEnd.SUCCEEDED), 1).dream
    dream = run(dream, Seen(DEAD), 2).dream
    assert dream.phase is Phase.DIAGNOSING
    assert dream.tries[-1].effective is False
    assert dream.due > at(2)


def test_what_is_never_proven_is_a_failed_try() -> None:
    dream = run(acting(DEAD), Seen(WELL, ActionEnd.SUCCEEDED), 1).dream
    late = POLICY.start_limit.total_seconds() + 2
    shaky = replace(WELL, good_in_row=1)
    again = run(dream, Seen(shaky), late).dream
    assert again.tries[-1].effective is False
    later = late + POLICY.patience.total_seconds()
    assert run(again, Seen(shaky), later).dream.phase is Phase.ESCALATED


def test_a_hang_is_replaced_first_and_restarted_next() -> None:
    dream = acting(HUNG)
    assert dream.tries[0].remedy is Remedy.REPLACE
    dream = run(dream, Seen(HUNG, ActionEnd.FAILED, "no"), 1).dream
    assert step(dream, Seen(HUNG), POLICY, dream.due).remedy is Remedy.RESTART


def test_lost_readiness_is_waited_out_not_restarted() -> None:
    dream = run(opened(UNREADY), Seen(UNREADY), 0).dream
    assert dream.phase is Phase.DIAGNOSING
    assert not dream.tries
    dream = run(dream, Seen(WELL), 5).dream
    assert dream.phase is Phase.VERIFYING
    assert run(dream, Seen(WELL), 8).dream.phase is Phase.RESOLVED


def test_waiting_ends_with_a_human_when_it_does_not_pass() -> None:
    dream = run(opened(UNREADY), Seen(UNREADY), 0).dream
    late = POLICY.patience.total_seconds() + 1
    assert run(dream, Seen(UNREADY), late).dream.phase is Phase.ESCALATED


def test_a_graver_symptom_takes_the_story_over() -> None:
    dream = run(opened(UNREADY), Seen(UNREADY), 0).dream
    stepped = run(dream, Seen(DEAD), 1)
    assert stepped.remedy is Remedy.RESTART
    assert stepped.dream.symptom.kind is SymptomKind.CRASH
    verifying = run(dream, Seen(WELL), 2).dream
    assert run(verifying, Seen(DEAD), 3).dream.symptom.kind is SymptomKind.CRASH


def test_a_refusal_is_no_try_and_is_told_once() -> None:
    stepped = run(opened(DEAD), Seen(DEAD), 0)
    refused = rejected(stepped.dream, "halted", timedelta(seconds=5), at(0))
    again = rejected(refused, "halted", timedelta(seconds=5), at(6))
    assert refused.phase is Phase.DIAGNOSING
    assert not refused.tries
    assert len(again.story) == len(refused.story)
    assert again.due == at(11)


def test_a_final_refusal_asks_a_human() -> None:
    stepped = run(opened(DEAD), Seen(DEAD), 0)
    assert rejected(stepped.dream, "forbidden", None, at(0)).phase is Phase.ESCALATED


def test_an_action_that_waits_for_approval_is_asked_for_again() -> None:
    stepped = run(opened(DEAD), Seen(DEAD), 0)
    assert stepped.dream.phase is Phase.PROPOSED
    assert step(stepped.dream, Seen(DEAD), POLICY, at(1)).remedy is Remedy.RESTART
    gone = step(stepped.dream, Seen(WELL), POLICY, at(1)).dream
    assert gone.phase is Phase.VERIFYING, "what mended itself needs no approval any more"


def test_a_target_nobody_wants_any_more_ends_its_dream() -> None:
    unwanted = replace(DEAD, wanted=False)
    waiting = run(opened(DEAD), Seen(DEAD), 0).dream.model_copy(
        update={"phase": Phase.DIAGNOSING, "due": at(60)}
    )
    assert run(waiting, Seen(unwanted), 1).dream.phase is Phase.RESOLVED
    verifying = run(acting(DEAD), Seen(WELL, ActionEnd.SUCCEEDED), 1).dream
    assert run(verifying, Seen(unwanted), 2).dream.phase is Phase.RESOLVED


def test_a_starting_target_is_left_alone() -> None:
    waiting = acting(DEAD).model_copy(update={"phase": Phase.DIAGNOSING, "due": at(60)})
    starting = replace(WELL, starting=True, ever_ready=False)
    assert run(waiting, Seen(starting), 1).dream == waiting


def test_what_root_mended_only_needs_proof() -> None:
    trouble = Trouble(TroubleKind.DIED, "killed by signal 9", mended="root started it again")
    node = View(target="node", incarnation="node", trouble=trouble, good_in_row=5)
    dream = run(opened(node), Seen(node), 0).dream
    assert dream.phase is Phase.VERIFYING
    assert run(dream, Seen(node), 3).dream.phase is Phase.RESOLVED


def test_what_only_a_person_can_mend_is_escalated_at_once() -> None:
    env = View(target="shop", trouble=Trouble(TroubleKind.ENV_INVALID, "missing: KEY"))
    assert run(opened(env), Seen(env), 0).dream.phase is Phase.ESCALATED


def test_a_flapping_target_starts_with_a_pause() -> None:
    dream = run(opened(DEAD, carried=1), Seen(DEAD), 0).dream
    assert dream.due == at(60)
    assert run(opened(DEAD, carried=3), Seen(DEAD), 0).dream.phase is Phase.ESCALATED


def test_a_resolved_dream_stays_as_it_is() -> None:
    dream = acting(DEAD).model_copy(update={"phase": Phase.RESOLVED})
    assert step(dream, Seen(DEAD), POLICY, at(1)) == Step(dream)


def test_old_tries_are_outside_the_window() -> None:
    dream = run(acting(DEAD), Seen(DEAD, ActionEnd.FAILED), 1).dream
    assert ineffective_tries(dream, POLICY, at(2)) == 1
    assert ineffective_tries(dream, POLICY, T0 + POLICY.window + timedelta(seconds=1)) == 0


@given(st.integers(min_value=0, max_value=10_000))
def test_pauses_never_shrink_nor_pass_the_cap(failed: int) -> None:
    assert pause_after(failed, POLICY) <= pause_after(failed + 1, POLICY) <= POLICY.backoff_cap


VIEWS = st.sampled_from(
    [
        WELL,
        DEAD,
        HUNG,
        UNREADY,
        replace(WELL, starting=True),
        replace(WELL, good_in_row=0),
        replace(DEAD, wanted=False),
        View(target="shop/1"),
    ]
)


@given(st.lists(st.tuples(VIEWS, st.sampled_from(ActionEnd), st.floats(0, 400)), max_size=60))
def test_any_order_of_facts_ends_well_when_all_is_well(
    facts: list[tuple[View, ActionEnd, float]],
) -> None:
    dream, now, count = opened(DEAD), 0.0, 0
    facts = [*facts, *[(WELL, ActionEnd.SUCCEEDED, 700.0)] * 12]
    for view, action, passed in facts:
        now += passed
        stepped = step(dream, Seen(view, action), POLICY, at(now))
        dream = stepped.dream
        if stepped.remedy is not None:
            count += 1
            dream = settled(dream, stepped.remedy, f"act-{count}", at(now))
        assert len(dream.story) <= 200
    assert dream.phase is Phase.RESOLVED


@pytest.mark.parametrize("phase", list(Phase))
def test_a_dream_survives_its_way_through_the_store(phase: Phase) -> None:
    dream = acting(DEAD).model_copy(update={"phase": phase})
    assert Dream.model_validate(dream.model_dump(mode="json")) == dream


def test_graver_is_not_symmetric() -> None:
    crash = Symptom(kind=SymptomKind.CRASH, words="a")
    unready = Symptom(kind=SymptomKind.UNREADY, words="b")
    assert crash.graver_than(unready)
    assert not unready.graver_than(crash)
    assert not crash.graver_than(crash)
