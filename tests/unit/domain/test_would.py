"""What was only observed is told with its end, and with nothing that nobody knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.domain.dreams.diagnosis import Remedy, Symptom, SymptomKind
from dreamnet.domain.dreams.dream import UNWANTED, Dream, Event, Phase, Try
from dreamnet.domain.dreams.would import (
    BEGUN,
    Ending,
    Outcome,
    Past,
    estimate,
    outcome,
    seconds,
    summary,
)
from dreamnet.model.actions import Action, ActionId, ActionPhase, Agent, Office, Proposal, Verb

T0 = datetime(2026, 11, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def action(
    second: float = 0.0,
    phase: ActionPhase = ActionPhase.SUCCEEDED,
    agent: Agent = Agent.OPERATOR,
    **changes: object,
) -> Action:
    made = Proposal(
        key=f"{second}",
        agent=agent,
        performer=Agent.DEPLOYKEEPER,
        office=Office.DEPLOY,
        verb=Verb.RESTART,
        target="shop/1",
        args={"symptom": "crash"},
    ).model_copy(update=changes)
    return Action(id=ActionId(f"act-{second}"), proposal=made, phase=phase, at=at(second))


WOULD = action(0, ActionPhase.OBSERVED, Agent.DREAMKEEPER)


def dream(
    end: float | None = None,
    words: str = "verified",
    *,
    tries: tuple[Try, ...] = (),
    kind: SymptomKind = SymptomKind.CRASH,
    target: str = "shop/1",
    phase: Phase = Phase.WATCHING,
) -> Dream:
    story = (Event(at=at(-1), phase=Phase.OPEN, words="crash"),)
    if end is not None:
        story += (Event(at=at(end), phase=Phase.RESOLVED, words=words),)
        phase = Phase.RESOLVED
    return Dream(
        target=target, symptom=Symptom(kind=kind, words="exit code 3"), phase=phase,
        opened=at(-1), noticed=at(-1), due=at(-1), tries=tries, story=story,
    )  # fmt: skip


def test_well_without_any_action_was_needless() -> None:
    told = outcome(WOULD, dream(12), [], at(99))
    assert told == Outcome(
        Ending.NEEDLESS, "well without any action, proven well after 12 s", 12.0, None
    )


def test_a_person_who_did_the_same_is_told_with_the_time_saved() -> None:
    told = outcome(WOULD, dream(44), [action(41)], at(99))
    assert (told.ending, told.sooner_s, told.proven_s) == (Ending.BY_ANOTHER, 41.0, 44.0)
    assert told.words == (
        "a person did the same (restart shop/1) 41 s later; proven well after 44 s"
    )


def test_another_thing_and_another_agent_are_named() -> None:
    other = action(5, agent=Agent.DEPLOYKEEPER, verb=Verb.START)
    told = outcome(WOULD, dream(9), [other], at(99))
    assert "deploykeeper did another thing (start shop/1) 5.0 s later" in told.words


def test_a_hand_that_failed_is_said_and_one_that_worked_counts_before_it() -> None:
    failed = action(30, ActionPhase.FAILED)
    assert "later, which failed; proven" in outcome(WOULD, dream(44), [failed], at(99)).words
    both = outcome(WOULD, dream(44), [action(20), failed], at(99))
    assert both.sooner_s == 20.0


def test_what_dreamnet_did_once_it_was_trusted_is_its_own() -> None:
    own = action(7, agent=Agent.DREAMKEEPER)
    told = outcome(WOULD, dream(9), [own], at(99))
    assert told.ending is Ending.TRUSTED_LATER
    assert "was trusted and did it (restart) 7.0 s later" in told.words


def test_open_unwanted_and_forgotten_ones_claim_nothing() -> None:
    assert outcome(WOULD, dream(), [], at(75)).words == "still ill after 75 s"
    unproven = dream(phase=Phase.VERIFYING)
    told = outcome(WOULD, unproven, [action(70)], at(75))
    assert (told.ending, told.sooner_s, told.proven_s) == (Ending.OPEN, 70.0, None)
    assert told.words.startswith("still unproven after 75 s; a person did the same")
    assert outcome(WOULD, dream(9, UNWANTED), [], at(75)).ending is Ending.UNWANTED
    assert outcome(WOULD, None, [action(1)], at(75)).ending is Ending.UNKNOWN


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        (action(5, target="shop"), True),
        (action(5, target="shop/2"), False),
        (action(5, target="mail"), False),
        (action(5, target="node"), False),
        (action(5, verb=Verb.SCALE, target="shop"), False),
        (action(5, verb=Verb.STOP), False),
        (action(-1), False),
        (action(13), False),
        (action(5, ActionPhase.CLAIMED), True),
        (action(5, ActionPhase.PROPOSED), False),
        (action(5, ActionPhase.OBSERVED), False),
        (action(5, ActionPhase.REJECTED), False),
    ],
)
def test_only_what_may_have_mended_the_target_counts(other: Action, counts: bool) -> None:
    told = outcome(WOULD, dream(12), [other], at(99))
    assert (told.ending is Ending.BY_ANOTHER) is counts


def test_a_restart_of_dreamnet_starts_its_dead_gateway_too() -> None:
    would = action(0, ActionPhase.OBSERVED, Agent.DREAMKEEPER, target="gateway")
    told = outcome(would, dream(9, target="gateway"), [action(5, target="node")], at(99))
    assert told.ending is Ending.BY_ANOTHER


actions = st.builds(
    action,
    st.integers(-50, 150),
    st.sampled_from(ActionPhase),
    st.sampled_from(Agent),
    verb=st.sampled_from(Verb),
    target=st.sampled_from(["shop", "shop/1", "shop/2", "mail", "node"]),
)


@given(st.lists(actions, max_size=6), st.none() | st.integers(0, 100), st.integers(0, 120))
def test_nothing_is_claimed_beyond_the_data(
    others: list[Action], end: int | None, now: int
) -> None:
    told = outcome(WOULD, dream(end), others, at(now))
    until = at(now if end is None else end)
    near = [
        one
        for one in others
        if one.phase in BEGUN and WOULD.at <= one.at <= until
        and one.proposal.target in ("shop", "shop/1")
    ]  # fmt: skip
    assert (told.ending is Ending.OPEN) is (end is None)
    assert (told.proven_s is None) is (end is None)
    if not near:
        assert told.sooner_s is None
        assert told.ending in (Ending.OPEN, Ending.NEEDLESS)
    if told.sooner_s is not None:
        assert told.sooner_s in [(one.at - WOULD.at).total_seconds() for one in near]
    if told.ending is Ending.NEEDLESS:
        assert not [one for one in near if one.proposal.verb in (Verb.RESTART, Verb.REPLACE)]
    assert outcome(WOULD, dream(end), others[::-1], at(now)).ending is told.ending


def tried(second: float, effective: bool | None, remedy: Remedy = Remedy.RESTART) -> Try:
    return Try(at=at(second), remedy=remedy, action="act-1", effective=effective)


def test_the_record_is_of_the_same_trouble_or_else_of_the_same_symptom() -> None:
    own = Past("f1", dream())
    assert estimate(WOULD, own, [own]).words == "no record"
    alike = Past(
        "f1", dream(-97, tries=(tried(-200, effective=False), tried(-100, effective=True)))
    )
    kin = Past("f2", dream(-48, tries=(tried(-50, effective=True),)))
    known = estimate(WOULD, own, [kin, alike])
    assert (known.known, known.worked, known.median_s, known.alike) == (2, 1, 3.0, True)
    assert known.words == (
        "worked 1 of 2 times for this trouble before, proven after 3.0 s (median)"
    )
    assert estimate(WOULD, own, [kin]).words.startswith("worked 1 of 1 times for this symptom")
    never = Past("f2", dream(tries=(tried(-50, effective=False),)))
    assert estimate(WOULD, own, [never]).words == "worked 0 of 1 times for this symptom before"


@pytest.mark.parametrize(
    "past",
    [
        Past("f1", dream(-40, target="mail/1", tries=(tried(-50, effective=True),))),
        Past("f2", dream(-40, kind=SymptomKind.HANG, tries=(tried(-50, effective=True),))),
        Past("f1", dream(-40, tries=(tried(-50, effective=True, remedy=Remedy.REPLACE),))),
        Past("f1", dream(tries=(tried(-50, effective=None),))),
        Past("f1", dream(60, tries=(tried(50, effective=True),))),
    ],
)
def test_other_services_symptoms_remedies_and_later_tries_are_no_record(past: Past) -> None:
    assert estimate(WOULD, Past("f1", dream()), [past]).words == "no record"


def test_the_summary_counts_each_ending() -> None:
    assert summary([]) == "nothing would have been done"
    needless = Outcome(Ending.NEEDLESS, "", 3.0)
    byhand = [Outcome(Ending.BY_ANOTHER, "", 9.0, late) for late in (10.0, 41.0, 99.0)]
    still = Outcome(Ending.OPEN, "")
    assert summary([needless]) == "1 would-be action: 1 needless"
    assert summary([needless, needless, *byhand, still]) == (
        "6 would-be actions: 2 needless, 3 another did later (median 41 s sooner), 1 still open"
    )


@given(st.lists(st.sampled_from(Ending), max_size=20))
def test_the_summary_adds_up(endings: list[Ending]) -> None:
    words = summary([Outcome(ending, "") for ending in endings])
    numbers = [int(part.split()[0]) for part in words.partition(": ")[2].split(", ") if part]
    assert sum(numbers) == len(endings)


@pytest.mark.parametrize(
    ("value", "words"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (41.2, "41 s"), (7200, "120 min")]
)
def test_times_are_said_shortly(value: float, words: str) -> None:
    assert seconds(value) == words
