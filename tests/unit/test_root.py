"""Root against a fake node: it starts, restarts, adopts, stops and reaps."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamnet.root import is_same_process, living_node, living_root, start_ticks

LIMIT_S = 20.0

_ROOT = """
import sys
from pathlib import Path
from dreamnet.root import Root, pulse
pulse.BEAT_S = 0.2
sys.exit(Root([sys.executable, "-S", sys.argv[1], sys.argv[2]], Path(sys.argv[2])).run())
"""

# Each start writes a line; `plan` holds what each start does, the last one for ever.
_NODE = r"""
import json, os, signal, socket, subprocess, sys, time
from pathlib import Path
data = Path(sys.argv[1])
plan = json.loads((data / "plan").read_text())
starts = data / "starts"
number = len(starts.read_text().splitlines()) if starts.exists() else 0
step = plan[min(number, len(plan) - 1)]
death = os.environ.get("DREAMNET_NODE_DEATH")
time.sleep(step.get("deaf_s", 0))
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append("TERM"))
signal.signal(signal.SIGUSR1, lambda *_: told.append("USR1"))
stat = Path(f"/proc/{os.getpid()}/stat").read_text()
ticks = int(stat[stat.rindex(")") + 2 :].split()[19])
boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
if "orphan" in step:
    inner = "import subprocess, sys; print(subprocess.Popen(['sleep', '0.2']).pid)"
    pid = subprocess.run([sys.executable, "-c", inner], capture_output=True, text=True).stdout
    (data / "orphan").write_text(pid)
if "code" not in step:
    server = socket.create_server(("127.0.0.1", 0))
    url = "http://%s:%d" % server.getsockname()
    record = {"pid": os.getpid(), "start_ticks": ticks, "boot_id": boot, "url": url}
    (data / "draft").write_text(json.dumps(record))
    (data / "draft").replace(data / "node.json")
with starts.open("a") as out:
    known = json.loads(death) if death else None
    out.write(json.dumps({"pid": os.getpid(), "death": known}) + "\n")
if "complaint" in step:
    Path(os.environ["DREAMNET_NODE_COMPLAINT"]).write_text(step["complaint"])
if "code" in step:
    sys.exit(step["code"])
server.settimeout(0.01)
while not told:
    if "mute" in step:
        time.sleep(0.01)
        continue
    try:
        with server.accept()[0] as asked:
            asked.recv(1000)
            time.sleep(step.get("slow_s", 0))
            asked.sendall(b"HTTP/1.1 500 Oh\r\n\r\n")
    except OSError:
        pass
(data / "told").write_text(told[0])
if "stuck" in step:
    os.kill(os.getpid(), signal.SIGKILL)
(data / "node.json").unlink()
"""


def until(condition: Callable[[], Any], what: str = "") -> Any:
    end = time.perf_counter() + LIMIT_S
    while not (found := condition()):
        assert time.perf_counter() < end, f"not within {LIMIT_S} s: {what or condition}"
        time.sleep(0.01)
    return found


class Stage:
    """A data directory, the fake node, and the roots that were started on it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        self.script = folder / "node.py"
        self.script.write_text(_NODE)
        self.errors = folder / "errors"
        self.roots: list[subprocess.Popen[bytes]] = []

    def up(self, *plan: dict[str, Any]) -> subprocess.Popen[bytes]:
        if plan:
            (self.data / "plan").write_text(json.dumps(plan))
        with self.errors.open("ab") as errors:
            command = [sys.executable, "-c", _ROOT, str(self.script), str(self.data)]
            self.roots.append(subprocess.Popen(command, stderr=errors))
        return self.roots[-1]

    def starts(self) -> list[dict[str, Any]]:
        with contextlib.suppress(FileNotFoundError):
            text = (self.data / "starts").read_text()
            return [json.loads(line) for line in text.splitlines()]
        return []

    def nth(self, number: int) -> dict[str, Any]:
        """Wait for the start with this number, the first is 1."""
        until(lambda: len(self.starts()) >= number, f"start {number}: {self.starts()}")
        return self.starts()[number - 1]

    def told(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.data / "told").read_text()
        return ""

    def clear(self) -> None:
        for one in self.roots:
            if one.poll() is None:
                one.kill()
            one.wait()
        for start in self.starts():
            with contextlib.suppress(ProcessLookupError):
                if str(self.script).encode() in _command_line(start["pid"]):
                    os.kill(start["pid"], signal.SIGKILL)


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="platform: the fake node reads /proc"
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.clear()


def test_a_killed_node_is_back_at_once_and_knows_why(stage: Stage) -> None:
    stage.up({})
    first = stage.nth(1)
    assert first["death"] is None
    wall_s = time.time()
    os.kill(first["pid"], signal.SIGKILL)
    death = stage.nth(2)["death"]
    assert death["words"] == "killed by signal 9"
    assert abs(death["wall_s"] - wall_s) < 5
    assert death["monotonic_s"] <= time.monotonic()
    assert time.time() - wall_s < 5


def test_a_node_that_asks_is_started_again(stage: Stage) -> None:
    stage.up({"code": 75}, {})
    assert stage.nth(2)["death"]["words"] == "exit code 75"


@pytest.mark.parametrize("code", [0, 78, 73])
def test_ends_that_are_final(stage: Stage, code: int) -> None:
    root = stage.up({"code": code})
    assert root.wait(LIMIT_S) == code
    assert len(stage.starts()) == 1


WAITS = "waiting for the file to be mended"


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
    until(lambda: _has_adopted(second.pid))
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
    until(lambda: _has_adopted(second.pid))
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
    until(lambda: _has_adopted(second.pid))
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


HUNG = "did not answer for 10 s; killed by root"


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
    until(lambda: _has_adopted(second.pid))
    os.kill(pid, signal.SIGSTOP)
    assert stage.nth(2)["death"]["words"] == HUNG


def test_a_stop_that_hangs_is_finished_by_another_node(stage: Stage) -> None:
    root = stage.up({}, {})
    os.kill(stage.nth(1)["pid"], signal.SIGSTOP)
    root.terminate()
    assert root.wait(LIMIT_S) == 0
    assert len(stage.starts()) == 2
    assert stage.told() == "TERM"


def _has_adopted(pid: int) -> bool:
    """Tell whether a root holds a handle on a node that is not its child."""
    with contextlib.suppress(FileNotFoundError):  # a handle that was just closed
        return any(str(one.readlink()) == "anon_inode:[pidfd]" for one in _handles(pid))
    return False


def _handles(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/fd").iterdir())


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(one) for one in text.split()]


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
        [sys.executable, "-c", _ROOT, str(stage.script), str(stage.data)],
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
