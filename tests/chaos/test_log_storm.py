"""A service that writes 10,000 log lines a second: disk bounded, node quick, healing in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.chaos_rig import REPLICAS, Rig, rig
from tests.chaos.faults import Faults
from tests.chaos.invariants import check, started
from tests.chaos.plan import chance, scaled
from tests.chaos.vitals import grown, take

LINES_PER_S = 10_000
MAX_BYTES, KEEP = 1_000_000, 3  # as the rig says
# What is written between two looks at a file's size comes on top.
SLACK = 2
SLOWEST_ANSWER_S = 1.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path, lines_per_s=LINES_PER_S // REPLICAS) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_thousand_log_lines_a_second(world: Rig) -> None:
    faults = Faults(world, chance("log storm"))
    world.load.start()
    before = take(world)
    answers: list[float] = []
    largest = written = 0
    end = time.monotonic() + scaled(60)
    while time.monotonic() < end:
        began = time.monotonic()
        assert world.ask("/health/live")
        answers.append(time.monotonic() - began)
        sizes = log_sizes(world)
        largest, written = max(largest, *sizes.values()), max(written, sum(sizes.values()))
        time.sleep(0.1)
    assert largest < MAX_BYTES * SLACK
    assert written < REPLICAS * MAX_BYTES * (KEEP + SLACK)
    assert max(answers) < SLOWEST_ANSWER_S
    assert len(started(world)) == REPLICAS  # no late probe has cost a restart
    faults.burst()
    check(world, faults)
    assert world.load.lost() == []
    assert grown(before, take(world)) == []
    print(  # noqa: T201 - the evidence
        f"chaos: log storm: largest file {largest:,} bytes, all {written:,}; "
        f"slowest answer of {len(answers)}: {max(answers):.3f} s"
    )


def log_sizes(world: Rig) -> dict[Path, int]:
    """Return the size of every log file of the service."""
    files = (world.data / "logs").rglob("*")
    found = {one: one.stat().st_size for one in files if one.is_file() and "tiny" in str(one)}
    assert found
    return found
