"""What an outcome counts, and a run that goes on where it was stopped."""

from __future__ import annotations

import itertools

import pytest

from bench.peers.faults import FAULTS
from bench.peers.journal import Journal, Notebook
from bench.peers.outcome import Outcome, lost_within, served_again, starts_in_vain
from bench.peers.party import PARTIES, Sight
from bench.peers.rounds import jobs, remaining, unmeasured
from dreamnet.testing.record import Record

BEGAN, UNTIL = 100.0, 106.0
BY_NAME = {fault.name: fault for fault in FAULTS}


def failed(scheduled: float, ended: float) -> Record:
    return Record(1, "read", "shop", True, scheduled, scheduled, ended, None, "timeout")


def outcome(number: int, fault: str = "hang", party: str = "nothing") -> Outcome:
    return Outcome(number, fault, party, None, 1.5, None, 200, 3, 1, 0, 0.25)


def test_lost_is_what_was_under_way_or_sent_within_the_window():
    before, under_way, within, after = (
        failed(98.0, 99.0),
        failed(99.0, 101.0),
        failed(105.9, 109.0),
        failed(106.0, 106.1),
    )
    assert lost_within([before, under_way, within, after], BEGAN, UNTIL) == [under_way, within]


def test_served_again_is_the_end_of_the_last_loss():
    assert served_again([], BEGAN, UNTIL) == 0
    assert served_again([failed(100.5, 101.5), failed(100.1, 100.2)], BEGAN, UNTIL) == 1.5


def test_losses_at_the_end_of_the_window_mean_never_but_a_single_one_does_not():
    late = [failed(105.0, 105.5), failed(105.5, 108.0)]
    assert served_again(late, BEGAN, UNTIL) is None
    assert served_again(late[:1], BEGAN, UNTIL) == 5.5


@pytest.mark.parametrize(
    ("fault", "starts", "vain"),
    [
        ("kill-one", [100.1], 0),
        ("kill-one", [100.1, 101.0], 1),
        ("locked", [103.0], 1),
        ("crash-loop", [100.1, 101.0, 106.5], 2),
        ("hang", [], 0),
    ],
)
def test_starts_in_vain(fault, starts, vain):
    assert starts_in_vain(BY_NAME[fault], Sight(starts=tuple(starts)), BEGAN) == vain


def test_a_journal_survives_a_kill_in_the_middle_of_a_line(tmp_path):
    path = tmp_path / "outcomes.jsonl"
    Journal(path).add(outcome(1))
    with path.open("a") as file:
        file.write('{"round": 2, "fa')
    reopened = Journal(path)
    assert reopened.outcomes == [outcome(1)]
    reopened.add(outcome(2))
    assert Journal(path).outcomes == [outcome(1), outcome(2)]


def test_a_run_goes_on_with_what_is_missing(tmp_path):
    journal = Journal(tmp_path / "outcomes.jsonl")
    listed = jobs(2)
    assert len(listed) == 2 * len(FAULTS)
    for fault in FAULTS:
        for party in PARTIES:
            if fault.applies_to(party):
                journal.add(outcome(1, fault.name, party))
    journal.add(outcome(2, "kill-one", "nothing"))
    left = remaining(listed, journal)
    assert [job.number for job in left] == [2] * len(FAULTS)
    assert left[0].fault.name == "kill-one"
    assert left[0].due_s == 0
    assert unmeasured(listed[: len(FAULTS)], journal) == []
    assert "DreamNet kill-one 2" in unmeasured(listed, journal)
    assert "nothing kill-one 2" not in unmeasured(listed, journal)


def test_pid_1_cannot_be_killed():
    mortal = [party for party in PARTIES if BY_NAME["kill-node"].applies_to(party)]
    assert mortal == ["restart-always", "DreamNet"]


def test_a_fault_begins_when_the_one_before_is_over():
    listed = jobs(1)
    for earlier, later in itertools.pairwise(listed):
        assert later.due_s - earlier.due_s > earlier.fault.length_s


def test_a_notebook_is_read_again(tmp_path):
    notebook = Notebook(tmp_path / "new")
    notebook.doubts.append("late")
    notebook.write()
    assert Notebook(tmp_path / "new").doubts == ["late"]
