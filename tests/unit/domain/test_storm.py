"""Silence of many at once: when it is the machine's trouble, and what then has to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.domain.dreams.diagnosis import Symptom, SymptomKind, diagnose
from dreamnet.domain.dreams.dream import Dream, Phase, open_dream
from dreamnet.domain.dreams.storm import (
    FEWEST,
    MANY,
    TOGETHER,
    Silence,
    held,
    is_held,
    overload,
    silence_of,
)
from dreamnet.domain.dreams.view import Condition, TroubleKind, View

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def silent(**more: object) -> View:
    view = View(
        "shop/1",
        incarnation="i",
        live=Condition.FAILING,
        ever_ready=True,
        silent=True,
        noticed=NOW,
    )
    return View(**(vars(view) | more))


def fell(*services: str, gap_s: float = 0.1) -> list[Silence]:
    return [Silence(service, at(gap_s * number)) for number, service in enumerate(services)]


def dream(kind: SymptomKind = SymptomKind.HANG, phase: Phase = Phase.DIAGNOSING) -> Dream:
    made = open_dream(View("shop/1"), Symptom(kind=kind, words="x"), carried=0, now=NOW)
    return made.model_copy(update={"phase": phase})


@pytest.mark.parametrize(
    ("fallen", "running"),
    [
        (["a"], {"a": 1}),
        (["a", "b"], {"a": 1, "b": 1}),
        (["a", "a", "b"], {"a": 5, "b": 5}),  # less than a third
        (["a"] * 6, {"a": 6, "b": 6}),  # one service only: its own fault, more likely
    ],
)
def test_few_or_those_of_one_service_are_no_overload(
    fallen: list[str], running: dict[str, int]
) -> None:
    assert overload(fell(*fallen), running) is None


@pytest.mark.parametrize(
    ("fallen", "running"),
    [
        (["a", "a", "b"], {"a": 4, "b": 5}),
        (["a", "a", "a"], {"a": 6}),
        (["a", "b"] * (MANY // 2), {"a": 300, "b": 300}),
    ],
)
def test_many_of_several_services_are_an_overload(
    fallen: list[str], running: dict[str, int]
) -> None:
    trouble = overload(fell(*fallen), running)
    assert trouble is not None
    assert trouble.kind is TroubleKind.OVERLOADED
    found = diagnose(View("node", trouble=trouble), NOW)
    assert found is not None
    assert found.kind is SymptomKind.OVERLOADED


def test_what_fell_silent_one_after_the_other_has_nothing_in_common() -> None:
    apart = TOGETHER.total_seconds() + 1
    assert overload(fell("a", "b", "c", gap_s=apart), {"a": 1, "b": 1, "c": 1}) is None
    assert overload(fell("a", "b", "c", gap_s=apart - 1), {"a": 1, "b": 1, "c": 1}) is not None


@given(
    fallen=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 300)), max_size=FEWEST - 1),
    extra=st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)),
)
def test_one_and_two_are_never_held(fallen: list[tuple[str, float]], extra: dict[str, int]) -> None:
    running = {name: 1 + extra.get(name, 0) for name in "abc"}
    assert overload([Silence(name, at(second)) for name, second in fallen], running) is None


def test_only_silence_is_doubtful() -> None:
    assert silence_of(silent(), diagnose(silent(), NOW)) == Silence("shop", NOW)
    refused = silent(silent=False)
    assert silence_of(refused, diagnose(refused, NOW)) is None
    assert silence_of(silent(), None) is None
    assert silence_of(silent(noticed=None), diagnose(silent(), NOW)) is None
    crash = Symptom(kind=SymptomKind.CRASH, words="exit code 3")
    assert silence_of(silent(), crash) is None


def test_a_start_that_refuses_is_doubtful_only_beside_another_service() -> None:
    loading = silent(ever_ready=False, silent=False)
    found = silence_of(loading, diagnose(loading, NOW))
    assert found == Silence("shop", NOW, timed_out=False)
    late = [found] * 2
    assert overload([*late, Silence("till", NOW, timed_out=False)], {"shop": 2, "till": 1})
    assert overload([*late, found], {"shop": 3}) is None


def test_doubtful_remedies_go_one_at_a_time_and_deaths_go_on() -> None:
    acting = dream(phase=Phase.ACTING)
    assert is_held(dream(), [dream(), acting])
    assert is_held(dream(SymptomKind.NEVER_READY), [acting])
    assert not is_held(dream(), [dream(), dream(phase=Phase.VERIFYING)])
    assert not is_held(dream(), [dream(SymptomKind.CRASH, Phase.ACTING)])
    assert not is_held(dream(SymptomKind.CRASH), [acting])
    assert not is_held(dream(phase=Phase.PROPOSED), [acting]), "a person decides about it"


def test_a_held_dream_says_so_once_and_stays_due() -> None:
    first = held(dream(), at(1))
    assert (first.phase, first.due) == (Phase.DIAGNOSING, NOW)
    assert "one at a time" in first.story[-1].words
    assert held(first, at(2)) == first
