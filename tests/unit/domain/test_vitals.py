"""Answers counted into verdicts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dreamnet.domain.vitals import (
    MOST_EXCUSED,
    REMEMBERED,
    Evidence,
    Verdict,
    Vitals,
    step,
    weigh,
)
from dreamnet.model.facts import Probed
from dreamnet.model.instances import InstanceId
from dreamnet.model.services import Aspect, Probe, ServiceName, Slot

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def probed(second: float, *, good: bool, output: str = "") -> Probed:
    return Probed(
        at=at(second),
        service=ServiceName("shop"),
        slot=Slot(1),
        instance=InstanceId("i-1"),
        aspect=Aspect.READY,
        good=good,
        output=output,
    )


EVIDENCE = {"+": Evidence.SAID, "-": Evidence.SAID, "s": Evidence.SILENCE, "?": Evidence.NOTHING}


def told(answers: str, probe: Probe) -> Vitals:
    """Feed one answer a second: `+` is good, `-` bad, `s` none in time, `?` none, and we late."""
    vitals = Vitals()
    for second, answer in enumerate(answers):
        vitals = step(vitals, probed(second, good=answer == "+"), probe, EVIDENCE[answer])
    return vitals


THREE_AND_TWO = Probe(failures=3, successes=2)


def test_a_new_instance_is_neither_well_nor_failing() -> None:
    assert Vitals().verdict is Verdict.UNKNOWN
    assert told("+--+", THREE_AND_TWO).verdict is Verdict.UNKNOWN


def test_enough_good_answers_in_a_row_make_it_well_from_then_on() -> None:
    vitals = told("-++++", THREE_AND_TWO)
    assert (vitals.verdict, vitals.since, vitals.ever_well) == (Verdict.WELL, at(2), True)
    assert (vitals.streak.goods, vitals.streak.bads) == (4, 0)
    assert vitals.streak.good_since == at(1)


def test_it_stays_well_until_enough_bad_answers_in_a_row() -> None:
    assert told("++--+--", THREE_AND_TWO).verdict is Verdict.WELL
    vitals = told("++--+---", THREE_AND_TWO)
    assert (vitals.verdict, vitals.since) == (Verdict.FAILING, at(7))
    assert vitals.ever_well
    assert (vitals.streak.goods, vitals.streak.bads) == (0, 3)
    assert vitals.streak.good_since is None


def test_it_stays_failing_until_enough_good_answers_in_a_row() -> None:
    assert told("---+-+", THREE_AND_TWO).verdict is Verdict.FAILING
    assert told("---+-++", THREE_AND_TWO).verdict is Verdict.WELL


def test_what_was_never_well_says_so() -> None:
    assert not told("---", THREE_AND_TWO).ever_well


def test_the_last_words_are_kept() -> None:
    vitals = step(Vitals(), probed(3, good=False, output="503: locked"), Probe())
    assert (vitals.last_at, vitals.last_output) == (at(3), "503: locked")


def test_repeated_and_late_answers_change_nothing() -> None:
    vitals = told("+-", THREE_AND_TWO)
    assert step(vitals, probed(1, good=False), THREE_AND_TWO) is vitals
    assert step(vitals, probed(0, good=True), THREE_AND_TWO) is vitals


def test_good_answers_are_counted_from_an_instant() -> None:
    vitals = told("+++-++++", THREE_AND_TWO)
    assert vitals.goods_since(at(0)) == 4
    assert vitals.goods_since(at(6)) == 2
    assert vitals.goods_since(at(8)) == 0
    assert told("++-", THREE_AND_TWO).goods_since(at(0)) == 0


def run_length(answers: str, of: str) -> int:
    return len(answers) - len(answers.rstrip(of))


@given(
    answers=st.text(alphabet="+-", max_size=60),
    failures=st.integers(1, 5),
    successes=st.integers(1, 5),
)
def test_the_verdict_is_the_last_threshold_reached(
    answers: str, failures: int, successes: int
) -> None:
    vitals = told(answers, Probe(failures=failures, successes=successes))
    expected, since = Verdict.UNKNOWN, None
    for end in range(1, len(answers) + 1):
        seen, reached = answers[:end], expected
        if run_length(seen, "+") >= successes:
            reached = Verdict.WELL
        if run_length(seen, "-") >= failures:
            reached = Verdict.FAILING
        if reached is not expected:
            expected, since = reached, at(end - 1)
    assert (vitals.verdict, vitals.since) == (expected, since)
    assert vitals.streak.goods == run_length(answers, "+")
    assert vitals.streak.bads == run_length(answers, "-")
    assert vitals.ever_well == ("+" * successes in answers)
    assert vitals.goods_since(START) == min(REMEMBERED, vitals.streak.goods)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=40))
def test_only_the_news_counts_in_whatever_order_facts_arrive(
    arrivals: list[tuple[int, bool]],
) -> None:
    vitals, news = Vitals(), Vitals()
    newest = -1
    for second, good in arrivals:
        fact = probed(second, good=good)
        vitals = step(step(vitals, fact, THREE_AND_TWO), fact, THREE_AND_TWO)
        if second > newest:
            newest, news = second, step(news, fact, THREE_AND_TWO)
    assert vitals == news


LIMIT = timedelta(milliseconds=500)


def timed_out(*, late_ms: float = 0.0, overrun_ms: float = 0.0) -> Probed:
    late = {"timed_out": True, "late_ms": late_ms, "overrun_ms": overrun_ms}
    return probed(0, good=False).model_copy(update=late)


def test_only_a_time_out_can_prove_nothing_and_only_while_we_were_late() -> None:
    refused = probed(0, good=False).model_copy(update={"late_ms": 10_000.0})
    assert weigh(refused, LIMIT) is Evidence.SAID
    assert weigh(timed_out(), LIMIT) is Evidence.SILENCE
    assert weigh(timed_out(late_ms=50, overrun_ms=49), LIMIT) is Evidence.SILENCE
    assert weigh(timed_out(late_ms=50, overrun_ms=50), LIMIT) is Evidence.NOTHING


def test_silence_counts_like_a_bad_answer_and_is_told_apart() -> None:
    assert (told("++ss-", THREE_AND_TWO).verdict, told("++ss-", THREE_AND_TWO).silent) == (
        Verdict.FAILING,
        False,
    )
    assert told("++-ss", THREE_AND_TWO).silent
    assert not told("++sss+", THREE_AND_TWO).silent


def test_what_proves_nothing_is_passed_over_a_few_times() -> None:
    assert told("++??", THREE_AND_TWO).undecided
    assert not told("++??+", THREE_AND_TWO).undecided
    assert not told("++" + "?" * MOST_EXCUSED, THREE_AND_TWO).undecided


MIXED = st.text(alphabet="+-s?", max_size=60)
THRESHOLDS = st.builds(Probe, failures=st.integers(1, 5), successes=st.integers(1, 5))


def without_excused(answers: str) -> str:
    """Leave out the first of each run of `?`; the rest of a run counts as silence."""
    kept, run = "", 0
    for answer in answers:
        run = run + 1 if answer == "?" else 0
        if answer != "?" or run > MOST_EXCUSED:
            kept += "s" if answer == "?" else answer
    return kept


@given(answers=MIXED, probe=THRESHOLDS)
def test_what_proves_nothing_changes_no_verdict_but_beyond_the_cap(
    answers: str, probe: Probe
) -> None:
    mixed, plain = told(answers, probe), told(without_excused(answers), probe)
    assert (mixed.verdict, mixed.silent, mixed.ever_well) == (
        plain.verdict,
        plain.silent,
        plain.ever_well,
    )
    assert (mixed.streak.goods, mixed.streak.bads) == (plain.streak.goods, plain.streak.bads)


@given(before=MIXED, probe=THRESHOLDS, silence=st.text(alphabet="s?", min_size=40, max_size=40))
def test_a_hang_is_found_however_late_we_are(before: str, probe: Probe, silence: str) -> None:
    bound = (MOST_EXCUSED + 1) * probe.failures  # at worst each counted one is followed by excuses
    assert told(before + silence[:bound], probe).verdict is Verdict.FAILING
    assert told(before + "?" * (MOST_EXCUSED + probe.failures), probe).verdict is Verdict.FAILING
