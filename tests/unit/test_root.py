"""Root against a fake node: it starts, restarts, adopts, stops and reaps."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from root_stage import LIMIT_S, ROOT_SCRIPT, Stage, has_adopted, stage, until

from dreamnet.root import is_same_process, living_node, living_root, start_ticks

__all__ = ["stage"]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="platform: the fake node reads /proc"
)


def test_a_killed_node_is_back_at_once_and_knows_why(stage: Stage) -> None:
    stage.up({})
    first = stage.nth(1)
    assert first["death"] is None
    began_s = time.monotonic()
    os.kill(first["pid"], signal.SIGKILL)
    death = stage.nth(2)["death"]
    assert death["words"] == "killed by signal 9"
    assert began_s <= death["monotonic_s"] <= time.monotonic()
    assert time.monotonic() - began_s < 5


def test_a_node_that_asks_is_started_again(stage: Stage) -> None:
    stage.up({"code": 75}, {})
    assert stage.nth(2)["death"]["words"] == "exit code 75"


@pytest.mark.parametrize("code", [0, 78, 73])
def test_ends_that_are_final(stage: Stage, code: int) -> None:
    root = stage.up({"code": code})
    assert root.wait(LIMIT_S) == code
    assert len(stage.starts()) == 1


WAITS = "waiting until that is mended"


def test_a_successor_with_wrong_settings_is_tried_until_they_are_mended(stage: Stage) -> None:
    """Somebody edits the file while the node is killed; services must not stay unwatched."""
    root = stage.up({}, {"code": 78}, {"code": 78}, {})
    began = time.perf_counter()
    os.kill(stage.nth(1)["pid"], signal.SIGKILL)
    assert stage.nth(4)["death"]["words"] == "killed by signal 9", "78 is no death"
    assert time.perf_counter() - began >= 0.6, "tries are backed off"
    assert stage.errors.read_text().count(WAITS) == 1
    root.terminate()
    assert root.wait(LIMIT_S) == 0


def test_each_state_of_wrong_settings_is_told_once(stage: Stage) -> None:
    wrong = [{"code": 78, "complaint": words} for words in ("a", "a", "b", "b")]
    stage.up({}, *wrong, {})
    os.kill(stage.nth(1)["pid"], signal.SIGKILL)
    last = stage.nth(6)
    assert stage.errors.read_text().count(WAITS) == 2
    os.kill(last["pid"], signal.SIGKILL)
    stage.nth(7)
    assert not (stage.data / "complaint").exists()


def test_wrong_settings_after_an_adopted_node_are_waited_for(stage: Stage) -> None:
    first = stage.up({}, {"code": 78}, {})
    pid = stage.nth(1)["pid"]
    first.kill()
    first.wait()
    second = stage.up()
    until(lambda: has_adopted(second.pid))
    os.kill(pid, signal.SIGKILL)
    stage.nth(3)
    assert second.poll() is None


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 78), (signal.SIGUSR1, 0)])
def test_a_stop_ends_the_wait_for_settings(stage: Stage, number: signal.Signals, code: int) -> None:
    root = stage.up({}, {"code": 78})
    os.kill(stage.nth(1)["pid"], signal.SIGKILL)
    stage.nth(3)
    root.send_signal(number)
    assert root.wait(LIMIT_S) == code
    assert ("dreamnet down" in stage.errors.read_text()) == (code != 0)


def test_a_stop_that_meets_mended_settings_stops_everything(stage: Stage) -> None:
    root = stage.up({}, {"code": 78})
    os.kill(stage.nth(1)["pid"], signal.SIGKILL)
    stage.nth(2)
    (stage.data / "mended").write_text("[{}]")
    (stage.data / "mended").replace(stage.data / "plan")
    root.terminate()
    assert root.wait(LIMIT_S) == 0
    assert stage.told() == "TERM"


def test_wrong_settings_end_a_new_root_whatever_an_earlier_one_left(stage: Stage) -> None:
    first = stage.up({}, {"code": 78})
    first_pid = stage.nth(1)["pid"]
    first.kill()
    first.wait()
    os.kill(first_pid, signal.SIGKILL)
    until(lambda: living_node(stage.data) is None)
    assert stage.up().wait(LIMIT_S) == 78
    assert len(stage.starts()) == 2


def test_a_node_that_dies_at_once_is_backed_off(stage: Stage) -> None:
    began = time.perf_counter()
    root = stage.up({"code": 1})
    stage.nth(4)  # pauses: none, 0.2 s, 0.4 s
    assert time.perf_counter() - began >= 0.6
    root.terminate()
    assert root.wait(LIMIT_S) == 0


def test_again_without_end_is_backed_off_too(stage: Stage) -> None:
    began = time.perf_counter()
    stage.up({"code": 75})
    stage.nth(4)
    assert time.perf_counter() - began >= 0.6


@pytest.mark.parametrize(
    ("number", "word"),
    [(signal.SIGTERM, "TERM"), (signal.SIGINT, "TERM"), (signal.SIGHUP, "TERM"),
     (signal.SIGUSR1, "USR1")],
)  # fmt: skip
def test_signals_are_passed_on(stage: Stage, number: signal.Signals, word: str) -> None:
    root = stage.up({})
    stage.nth(1)
    root.send_signal(number)
    assert root.wait(LIMIT_S) == 0
    assert stage.told() == word
    assert living_root(stage.data) is None


def test_a_signal_during_the_start_is_not_lost(stage: Stage) -> None:
    """A node that does not listen yet would die of it, and leave what it should have stopped."""
    root = stage.up({"deaf_s": 0.5})
    until(lambda: living_root(stage.data) == root.pid)
    root.terminate()
    assert root.wait(LIMIT_S) == 0
    assert stage.told() == "TERM"
    assert len(stage.starts()) == 1


def test_a_stop_that_the_node_did_not_survive_is_finished_by_another(stage: Stage) -> None:
    root = stage.up({"stuck": True}, {})
    stage.nth(1)
    root.terminate()
    assert root.wait(LIMIT_S) == 0
    assert len(stage.starts()) == 2
    assert not (stage.data / "node.json").exists()


def test_a_stop_that_no_node_survives_is_a_failure(stage: Stage) -> None:
    root = stage.up({"stuck": True})
    stage.nth(1)
    root.terminate()
    assert root.wait(LIMIT_S) == 1
    assert len(stage.starts()) == 2
    assert "dreamnet down" in stage.errors.read_text()


def test_the_living_node_of_a_killed_root_is_adopted(stage: Stage) -> None:
    first = stage.up({})
    pid = stage.nth(1)["pid"]
    first.kill()
    first.wait()
    assert living_node(stage.data) == pid
    second = stage.up()
    until(lambda: has_adopted(second.pid))
    os.kill(pid, signal.SIGKILL)
    assert stage.nth(2)["death"]["words"] == "ended, status unknown"
    second.terminate()
    assert second.wait(LIMIT_S) == 0


def test_an_adopted_node_that_stops_on_purpose_ends_root(stage: Stage) -> None:
    first = stage.up({})
    pid = stage.nth(1)["pid"]
    first.kill()
    first.wait()
    second = stage.up()
    until(lambda: has_adopted(second.pid))
    os.kill(pid, signal.SIGTERM)
    assert second.wait(LIMIT_S) == 0
    assert len(stage.starts()) == 1


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"pid": "x"}', '{"pid": -1}'])
def test_a_damaged_record_is_nobody(tmp_path: Path, damage: str) -> None:
    (tmp_path / "node.json").write_text(damage)
    assert living_node(tmp_path) is None


def test_a_reused_pid_is_nobody(tmp_path: Path) -> None:
    ticks = start_ticks(os.getpid())
    assert ticks is not None
    for record in ({"start_ticks": ticks + 1}, {"start_ticks": ticks, "boot_id": "another"}):
        (tmp_path / "node.json").write_text(json.dumps({"pid": os.getpid(), **record}))
        assert living_node(tmp_path) is None
    assert is_same_process(os.getpid(), ticks, None)


def test_orphans_are_reaped(stage: Stage) -> None:
    """The child of a child that ended becomes root's; no zombie stays."""
    stage.up({"orphan": True})
    stage.nth(1)
    pid = int((stage.data / "orphan").read_text())
    until(lambda: not Path(f"/proc/{pid}").exists(), "the orphan is reaped")


def test_a_second_root_is_refused(stage: Stage) -> None:
    root = stage.up({})
    stage.nth(1)
    said = subprocess.run(
        [sys.executable, "-c", ROOT_SCRIPT, str(stage.script), str(stage.data)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"AlreadyRunning: {root.pid}" in said.stderr
    assert len(stage.starts()) == 1


def test_asking_who_runs_does_not_disturb_a_start(stage: Stage) -> None:
    """A look holds the lock for a moment; root waits that long."""
    lock = stage.data / "root.lock"
    lock.touch()
    with lock.open() as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        root = stage.up({})
        time.sleep(0.2)
    stage.nth(1)
    assert living_root(stage.data) == root.pid


def test_a_lock_nobody_holds_is_nobody(tmp_path: Path) -> None:
    assert living_root(tmp_path) is None
    (tmp_path / "root.lock").write_text(str(os.getpid()))
    assert living_root(tmp_path) is None


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from dreamnet.root import Root;"
        f"Root(['{tmp_path}/nothing'], Path('{tmp_path}')).run()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "FileNotFoundError" in ran.stderr
    assert living_root(tmp_path) is None


def test_many_roots_at_once_leave_one(stage: Stage) -> None:
    (stage.data / "plan").write_text("[{}]")
    roots = [stage.up() for _ in range(4)]
    stage.nth(1)
    until(lambda: sum(root.poll() is None for root in roots) == 1)
    assert len(stage.starts()) == 1
