"""When a probe asks next."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dreamnet.model.services import Probe
from dreamnet.senses.schedule import SHORTEST_S, Schedule

NO_START = timedelta(0)


def probe(**more: object) -> Probe:
    return Probe.model_validate({"interval": "1s", "timeout": "500ms", "jitter": 0, **more})


@pytest.mark.parametrize("key", ["interval", "timeout"])
@pytest.mark.parametrize("value", [timedelta(0), timedelta(seconds=-1)])
def test_a_probe_without_time_is_refused(key: str, value: timedelta) -> None:
    with pytest.raises(ValidationError, match="greater than"):
        probe(**{key: value})


def schedule(asked: Probe, start_period: timedelta = NO_START) -> Schedule:
    made = Schedule(asked, start_period, random.Random(1))
    made.begin(0.0, 0.0)
    return made


def answer(plan: Schedule, *, good: bool, took_s: float = 0.001, least_s: float = 0.0) -> float:
    """Ask as planned and return the gap to the next question."""
    asked_at = plan.planned
    plan.after(good=good, asked_at=asked_at, now=asked_at + took_s, least_s=least_s)
    return plan.planned - asked_at


def test_good_answers_keep_the_beat_without_drift() -> None:
    plan = schedule(probe())
    for _ in range(100):
        answer(plan, good=True, took_s=0.4)
    assert plan.planned == pytest.approx(100.0)


def test_beats_missed_by_a_slow_answer_are_skipped() -> None:
    plan = schedule(probe())
    assert answer(plan, good=True, took_s=3.3) == pytest.approx(4.0)


def test_while_starting_it_looks_ever_less_often_up_to_250_ms() -> None:
    plan = schedule(probe(), timedelta(seconds=30))
    gaps = [answer(plan, good=False) for _ in range(8)]
    assert gaps[:3] == pytest.approx([0.05, 0.075, 0.1125])
    assert gaps[-1] == pytest.approx(0.25)
    assert plan.hurried


def test_once_well_it_is_no_longer_starting() -> None:
    plan = schedule(probe(successes=2), timedelta(seconds=30))
    assert answer(plan, good=True) == pytest.approx(0.05)
    assert answer(plan, good=True) == pytest.approx(1.0)
    assert not plan.hurried
    assert answer(plan, good=False) == pytest.approx(0.2)


def test_what_never_gets_ready_is_asked_at_the_interval_after_the_start_period() -> None:
    plan = schedule(probe(), timedelta(seconds=2))
    while plan.planned < 2.5:
        answer(plan, good=False)
    assert answer(plan, good=False) == pytest.approx(1.0)


def test_a_failure_is_looked_at_again_soon_until_it_is_decided() -> None:
    plan = schedule(probe(failures=3))
    gaps = [answer(plan, good=False) for _ in range(5)]
    assert gaps == pytest.approx([0.2, 0.2, 1.0, 1.0, 1.0])


def test_after_a_time_out_it_asks_again_at_once() -> None:
    plan = schedule(probe())
    assert answer(plan, good=False, took_s=0.5) == pytest.approx(0.5)


def test_a_hang_is_decided_within_two_intervals() -> None:
    plan = schedule(probe(jitter=0.5))
    answer(plan, good=True)
    hung_at = plan.planned - 1.0  # at the earliest just after the last good answer
    answer(plan, good=False, took_s=0.5)
    decided_at = plan.planned + 0.5
    assert decided_at - hung_at <= 2.0


def test_many_hurried_questions_slow_each_other_down_to_the_interval() -> None:
    plan = schedule(probe(), timedelta(seconds=30))
    assert answer(plan, good=False, least_s=0.4) == pytest.approx(0.4)
    assert answer(plan, good=False, least_s=4.0) == pytest.approx(1.0)


def test_an_extra_question_does_not_shift_the_beat() -> None:
    plan = schedule(probe())
    answer(plan, good=True)
    plan.after(good=True, asked_at=0.3, now=0.31, least_s=0.0)
    assert plan.planned == pytest.approx(1.0)
    plan.after(good=False, asked_at=0.4, now=0.41, least_s=0.0)
    assert plan.planned == pytest.approx(0.6)


def test_a_timer_that_ran_a_little_early_is_no_extra_question() -> None:
    plan = schedule(probe())
    answer(plan, good=True)
    plan.after(good=True, asked_at=0.9991, now=0.9995, least_s=0.0)
    assert plan.planned == pytest.approx(2.0)


def test_the_first_questions_are_spread() -> None:
    rng = random.Random(1)
    firsts: list[float] = []
    for _ in range(200):
        plan = Schedule(probe(), NO_START, rng)
        plan.begin(5.0, 30.0)
        firsts.append(plan.planned)
    assert 5.0 <= min(firsts) < 5.1
    assert 5.9 < max(firsts) < 6.0


@given(
    interval_ms=st.integers(1, 100_000),
    jitter=st.floats(0, 0.5),
    failures=st.integers(1, 5),
    start_s=st.integers(0, 60),
    answers=st.lists(st.tuples(st.booleans(), st.floats(0, 30), st.floats(0, 5)), max_size=40),
)
def test_the_plan_is_never_in_the_past_and_never_spins(
    interval_ms: int,
    jitter: float,
    failures: int,
    start_s: int,
    answers: list[tuple[bool, float, float]],
) -> None:
    asked = probe(interval=f"{interval_ms}ms", jitter=jitter, failures=failures)
    plan = schedule(asked, timedelta(seconds=start_s))
    interval_s = max(SHORTEST_S, interval_ms / 1000)
    for good, took_s, least_s in answers:
        asked_at = plan.planned
        gap = answer(plan, good=good, took_s=took_s, least_s=least_s)
        assert plan.planned >= asked_at + took_s
        assert gap <= took_s + interval_s + 1e-6
        assert gap >= min(interval_s * 0.5, 0.05) - 1e-6
