"""What must hold after every scenario, whatever was done: read from the store and the machine."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import psutil

from tests.chaos.chaos_rig import REPLICAS, Dream, Rig
from tests.chaos.faults import Fault, Faults

# A death that comes while the slot is healing is told by the dream under way, and one that no node
# saw by the next one, which must come, look and write.
NOTICED_WITHIN_S = 30


def check(rig: Rig, faults: Faults) -> None:
    """Wait until the world is quiet, then hold every promise against it."""
    rig.settle()
    dreams = rig.all_dreams()
    assert_none_stuck(dreams)
    assert_none_doubled(dreams)
    assert_none_lost(faults.to_instances, dreams)
    assert_no_action_twice(rig)
    assert_nothing_orphaned(rig)
    assert rig.json("ledger", "verify")["broken_at"] is None
    tell(rig, faults, dreams)


def assert_none_stuck(dreams: list[Dream]) -> None:
    """Every story has an end, and a good one: nobody had to be asked."""
    assert [one for one in dreams if one.live or one.phase != "resolved"] == []


def assert_none_doubled(dreams: list[Dream]) -> None:
    """A target has one live case at a time: the next begins when the last has ended."""
    for target in {one.target for one in dreams}:
        told = sorted((one for one in dreams if one.target == target), key=lambda one: one.opened)
        for first, second in pairwise(told):
            assert first.updated <= second.opened, (first, second)


def assert_none_lost(faults: list[Fault], dreams: list[Dream]) -> None:
    """Every fault of an instance is in a story that was not over when it happened."""
    limit = NOTICED_WITHIN_S * 1_000_000
    for fault in faults:
        stories = [
            one
            for one in dreams
            if one.target == fault.target and one.updated >= fault.at >= one.opened - limit
        ]
        assert stories, f"no dream of {fault}"


def assert_no_action_twice(rig: Rig) -> None:
    """One action for each key, all ended; each instance (one for each action) started once."""
    actions = rig.rows("SELECT key, phase FROM actions")
    assert {phase for _, phase in actions} <= {"succeeded", "failed", "rejected"}, actions
    assert max(Counter(key for key, _ in actions).values()) == 1
    starts = Counter(line.split()[0] for line in started(rig))
    assert {one: count for one, count in starts.items() if count > 1} == {}


def started(rig: Rig) -> list[str]:
    """Return a line `instance pid` for each start of an application."""
    return (rig.folder / "starts").read_text().splitlines()


def assert_nothing_orphaned(rig: Rig) -> None:
    """One root, node, gateway and room run here, each instance with its shell, and no more."""
    rig.reap()
    processes = rig.processes()
    kinds = Counter(_kind(one) for one in processes)
    expected = {"root": 1, "node": 1, "envoy": 1, "room": 1, "sh": REPLICAS, "tiny": REPLICAS}
    assert kinds == expected, [(one.pid, one.cmdline()) for one in processes]
    root = psutil.Process(rig.root_pid())
    zombies = [one for one in root.children(recursive=True) if one.status() == "zombie"]
    assert zombies == []


def _kind(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    marks = {
        "tests.chaos.eager_root": "root",
        "dreamnet.app": "node",
        "dreamnet.room": "room",
        "boot.json": "envoy",
    }
    for mark, kind in marks.items():
        if mark in words:
            return kind
    if process.name() == "sh":
        return "sh"
    return "tiny" if "tiny.py" in words else words


def tell(rig: Rig, faults: Faults, dreams: list[Dream]) -> None:
    """Print the figures of a scenario."""
    kinds = Counter(one.symptom for one in dreams)
    lost = len(rig.load.lost())
    more = len(started(rig)) - REPLICAS - len(faults.to_instances)
    for one in rig.load.lost()[:3]:
        print(f"chaos: lost: {one}")  # noqa: T201 - the evidence
    print(  # noqa: T201 - the evidence
        f"chaos: {dict(faults.counts)}; dreams {dict(kinds)}; starts without a kill: {more}; "
        f"requests {len(rig.load.answers)}, lost {lost}; ledger whole"
    )
