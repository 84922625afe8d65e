"""Plans: what is sent when, and what is refused."""

from __future__ import annotations

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.testing.load import Kind, Plan
from dreamnet.testing.loadresult import LoadResult, summarise
from dreamnet.testing.record import Record

KINDS = [Kind("often", weight=9), Kind("seldom", "/b", "POST", expect=(201,))]


def plan(**changes) -> Plan:
    return Plan(**{"base_url": "http://127.0.0.1:1", "rate_per_s": 100, "kinds": KINDS} | changes)


def test_constant_arrivals_do_not_drift():
    times = [at for at, _ in plan(rate_per_s=3, limit_s=1000).schedule()]
    assert len(times) == 3000
    assert all(at == number / 3 for number, at in enumerate(times))


@given(st.integers(), st.sampled_from(["constant", "poisson"]))
def test_the_same_seed_gives_the_same_schedule_within_its_limits(seed, arrivals):
    one = list(plan(seed=seed, arrivals=arrivals, limit_s=1, limit_count=60).schedule())
    assert one == list(plan(seed=seed, arrivals=arrivals, limit_s=1, limit_count=60).schedule())
    assert len(one) <= 60
    times = [at for at, _ in one]
    assert times == sorted(times)
    assert all(0 <= at < 1 for at in times)


def test_poisson_gaps_have_the_planned_mean_and_spread():
    times = [at for at, _ in plan(arrivals="poisson", limit_s=100).schedule()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(0.01, rel=0.05)
    assert deviation == pytest.approx(mean, rel=0.1)


def test_the_mix_follows_the_weights():
    names = [kind.name for _, kind in plan(limit_s=100).schedule()]
    assert names.count("often") / len(names) == pytest.approx(0.9, abs=0.01)


def test_a_plan_survives_its_journey_to_the_load_process():
    original = plan(arrivals="poisson", seed=7)
    assert Plan.from_json(json.loads(json.dumps(original.to_json()))) == original


def test_methods_decide_what_is_idempotent_unless_said_otherwise():
    assert Kind("a", method="PUT").repeatable
    assert not Kind("a", method="POST").repeatable
    assert Kind("a", method="POST", idempotent=True).repeatable


@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": []},
        {"kinds": [Kind("a"), Kind("a")]},
        {"rate_per_s": 0},
        {"rate_per_s": math.nan},
        {"limit_s": math.inf},
        {"limit_count": 0},
        {"timeout_s": -1},
        {"arrivals": "sometimes"},
    ],
)
def test_a_plan_that_cannot_run_or_end_is_refused(wrong):
    with pytest.raises(ValueError, match="plan: "):
        plan(**wrong)


def test_kinds_that_cannot_be_sent_are_refused():
    with pytest.raises(ValueError, match="path"):
        Kind("a", "no-slash")
    with pytest.raises(ValueError, match="weight"):
        Kind("a", weight=0)


def record(number: int, *, lag: float = 0.0, latency: float = 0.01, reason: str = "") -> Record:
    start = number * 0.01
    status = None if reason else 200
    return Record(number, "often", "", True, start, start + lag, start + latency, status, reason)


def test_a_result_counts_latency_from_the_schedule_and_goes_there_and_back_as_json():
    records = [record(number, latency=(number + 1) / 1000) for number in range(100)]
    result = summarise(plan(), records, 1.0)
    assert (result.latency.p50_ms, result.latency.p99_ms, result.latency.max_ms) == (50, 99, 100)
    assert result.valid
    assert LoadResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_a_generator_that_fell_behind_says_so():
    late = [record(number, lag=0.05 if number < 2 else 0.0) for number in range(100)]
    assert "lag p99" in summarise(plan(), late, 1.0).doubts[0]
    once = [record(number, lag=0.3 if number == 0 else 0.0) for number in range(1000)]
    assert "lag max" in summarise(plan(), once, 1.0).doubts[0]
    full = [record(number, reason="overflow") for number in range(3)]
    assert not summarise(plan(), full, 1.0).valid


def test_a_load_that_sent_nothing_is_never_valid():
    assert not summarise(plan(), [], 1.0).valid
