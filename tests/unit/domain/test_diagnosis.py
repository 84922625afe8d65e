"""From what is seen to what is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dreamnet.domain.dreams.diagnosis import (
    CONFIRM_UNREADY,
    Remedy,
    Symptom,
    SymptomKind,
    diagnose,
    fingerprint,
    normalise_log_line,
    remedy_for,
)
from dreamnet.domain.dreams.view import Condition, Peers, Trouble, TroubleKind, View
from dreamnet.model.instances import Exit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WELL = View(
    target="shop/1",
    incarnation="i1",
    live=Condition.WELL,
    ready=Condition.WELL,
    ever_ready=True,
    good_in_row=9,
)


def kind_of(view: View) -> SymptomKind | None:
    symptom = diagnose(view, NOW)
    return symptom.kind if symptom else None


def test_a_well_target_has_no_symptom() -> None:
    assert kind_of(WELL) is None
    assert kind_of(View(target="shop/1")) is None


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (Exit(at=NOW, signal=9), SymptomKind.CRASH),
        (Exit(at=NOW, code=3), SymptomKind.CRASH),
        (Exit(at=NOW), SymptomKind.CRASH),
        (Exit(at=NOW, reason="command not found"), SymptomKind.CANNOT_START),
        (Exit(at=NOW, code=0, expected=True), None),
    ],
)
def test_an_end_is_a_crash_unless_we_asked_for_it(
    ended: Exit, expected: SymptomKind | None
) -> None:
    assert kind_of(replace(WELL, incarnation="", ended=ended)) is expected


def test_an_unwanted_target_is_never_ill() -> None:
    ended = Exit(at=NOW, signal=9)
    assert kind_of(replace(WELL, ended=ended, wanted=False)) is None


def test_a_hang_is_seen_by_liveness() -> None:
    hung = replace(WELL, live=Condition.FAILING, ready=Condition.FAILING, output="timeout")
    assert kind_of(hung) is SymptomKind.HANG
    assert kind_of(replace(hung, starting=True)) is None


def test_an_instance_that_never_became_ready_is_told_apart() -> None:
    assert kind_of(replace(WELL, ever_ready=False)) is SymptomKind.NEVER_READY


def test_errors_count_only_against_an_instance_whose_peers_do_better() -> None:
    erring = replace(WELL, erring=True, requests=20, errors=19)
    assert kind_of(erring) is SymptomKind.ERRORS
    assert kind_of(replace(erring, peers=Peers(2, 2, 1))) is None


def test_one_unready_replica_is_confirmed_before_it_is_a_story() -> None:
    unready = replace(WELL, ready=Condition.FAILING, since=NOW, peers=Peers(1, 1, 0))
    assert kind_of(unready) is None
    assert kind_of(replace(unready, since=NOW - CONFIRM_UNREADY)) is SymptomKind.UNREADY
    assert kind_of(replace(unready, since=None)) is None


def test_when_no_peer_is_ready_the_service_tells_the_story() -> None:
    since = NOW - timedelta(minutes=1)
    assert kind_of(replace(WELL, ready=Condition.FAILING, since=since)) is None


@pytest.mark.parametrize("trouble", list(TroubleKind))
def test_every_trouble_is_a_symptom(trouble: TroubleKind) -> None:
    symptom = diagnose(View(target="shop", trouble=Trouble(trouble, "words")), NOW)
    assert symptom is not None
    assert symptom.words == "words"


@pytest.mark.parametrize("kind", list(SymptomKind))
def test_every_symptom_has_a_ladder_whose_last_rung_repeats(kind: SymptomKind) -> None:
    assert remedy_for(kind, 50) is remedy_for(kind, 51)
    assert remedy_for(kind, 0) in set(Remedy)


def test_fingerprints_ignore_what_differs_between_two_events() -> None:
    one = Symptom(kind=SymptomKind.CRASH, words="exit code 3")
    assert fingerprint("shop", one, "at 12:01 pid 77") == fingerprint("shop", one, "at 13:59 pid 8")
    assert fingerprint("shop", one) != fingerprint("cart", one)
    other = Symptom(kind=SymptomKind.HANG, words="exit code 3")
    assert fingerprint("shop", one) != fingerprint("shop", other)


def test_log_lines_are_normalised() -> None:
    line = "  2026-01-01 0xdeadBEEF user 550e8400-e29b-41d4-a716-446655440000 lost  "
    assert normalise_log_line(line) == "#-#-# # user * lost"
