"""Dreams about what lies outside: a person is told, nothing is ever done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.domain.dreams.diagnosis import Remedy, SymptomKind, diagnose, remedy_for
from dreamnet.domain.dreams.dream import ActionEnd, Phase, Seen, open_dream, step
from dreamnet.domain.dreams.view import Trouble, TroubleKind, View
from dreamnet.model.policy import HealPolicy

T0 = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = HealPolicy()
OUTSIDE = [TroubleKind.UNREACHABLE, TroubleKind.WRONG_ANSWER, TroubleKind.CERTIFICATE_EXPIRING]
WELL = View(target="bank", incarnation="bank", ever_ready=True, good_in_row=3)


def ill(kind: TroubleKind) -> View:
    return replace(WELL, good_in_row=0, trouble=Trouble(kind, "connection refused"))


@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_person_is_told_and_it_resolves_by_itself(kind: TroubleKind) -> None:
    symptom = diagnose(ill(kind), T0)
    assert symptom is not None
    assert symptom.kind == SymptomKind(kind.value)
    dream = step(open_dream(ill(kind), symptom, carried=0, now=T0), Seen(ill(kind)), POLICY, T0)
    assert dream.dream.phase is Phase.ESCALATED
    once = step(dream.dream, Seen(replace(WELL, good_in_row=2)), POLICY, T0)
    assert once.dream.phase is Phase.ESCALATED
    assert step(dream.dream, Seen(WELL), POLICY, T0).dream.phase is Phase.RESOLVED


views = st.one_of(
    st.sampled_from(OUTSIDE).map(ill),
    st.integers(0, 5).map(lambda goods: replace(WELL, good_in_row=goods)),
    st.just(View(target="bank")),
    st.just(View(target="bank", wanted=False)),
)
looks = st.tuples(views, st.sampled_from(ActionEnd), st.integers(0, 100_000))


@given(
    st.sampled_from(OUTSIDE),
    st.sampled_from(Phase),
    st.integers(0, 9),
    st.lists(looks, max_size=30),
)
def test_no_step_ever_asks_for_a_remedy(
    kind: TroubleKind, phase: Phase, carried: int, seen: list[tuple[View, ActionEnd, int]]
) -> None:
    """Whatever is seen in whatever order, from whatever phase."""
    symptom = diagnose(ill(kind), T0)
    assert symptom is not None
    dream = open_dream(ill(kind), symptom, carried=carried, now=T0)
    dream, now = dream.model_copy(update={"phase": phase}), T0
    for view, end, pause_s in seen:
        now += timedelta(seconds=pause_s)
        stepped = step(dream, Seen(view, end), POLICY, now)
        assert stepped.remedy is None
        dream = stepped.dream


@given(st.sampled_from(OUTSIDE), st.integers(0, 1000))
def test_the_ladder_has_one_rung(kind: TroubleKind, tries: int) -> None:
    assert remedy_for(SymptomKind(kind.value), tries) is Remedy.ESCALATE
