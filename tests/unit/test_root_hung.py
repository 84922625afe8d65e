"""Root against a fake node that hangs, or only seems to."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from root_stage import LIMIT_S, Stage, has_adopted, stage, until

from dreamnet.root import living_node

__all__ = ["stage"]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="platform: the fake node reads /proc"
)


HUNG = "did not answer for 1 s; killed by root"  # the five beats of the tests' root


def test_a_node_that_answers_nothing_is_killed_and_started_again(stage: Stage) -> None:
    stage.up({"mute": True}, {})
    assert stage.nth(2)["death"]["words"] == HUNG
    assert stage.errors.read_text().count("killing it") == 1


def test_a_stopped_node_is_killed_and_started_again(stage: Stage) -> None:
    stage.up({}, {})
    os.kill(stage.nth(1)["pid"], signal.SIGSTOP)
    assert stage.nth(2)["death"]["words"] == HUNG


def test_a_node_stopped_before_it_has_said_where_it_answers_is_started_again(stage: Stage) -> None:
    root = stage.up({"deaf_s": 60}, {})
    child = until(lambda: _children(root.pid))[0]
    (stage.data / "plan").write_text("[{}]")
    os.kill(child, signal.SIGSTOP)
    assert stage.nth(1)["death"]["words"] == HUNG


def test_a_slow_answer_is_an_answer(stage: Stage) -> None:
    stage.up({"slow_s": 0.3})  # more than a beat
    first = stage.nth(1)["pid"]
    time.sleep(2)
    assert living_node(stage.data) == first
    assert len(stage.starts()) == 1


def test_a_node_that_starts_for_long_is_left_alone(stage: Stage) -> None:
    stage.up({"deaf_s": 2.5})  # twelve beats
    assert stage.nth(1)["death"] is None


def test_an_adopted_node_that_hangs_is_killed_and_started_again(stage: Stage) -> None:
    first = stage.up({}, {})
    pid = stage.nth(1)["pid"]
    first.kill()
    first.wait()
    second = stage.up()
    until(lambda: has_adopted(second.pid))
    os.kill(pid, signal.SIGSTOP)
    assert stage.nth(2)["death"]["words"] == HUNG


def test_a_stop_that_hangs_is_finished_by_another_node(stage: Stage) -> None:
    root = stage.up({}, {})
    os.kill(stage.nth(1)["pid"], signal.SIGSTOP)
    root.terminate()
    assert root.wait(LIMIT_S) == 0
    assert len(stage.starts()) == 2
    assert stage.told() == "TERM"


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(one) for one in text.split()]
