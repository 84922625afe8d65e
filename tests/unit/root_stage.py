"""A data directory, a fake node that does what a plan says, and the roots started on it."""

from __future__ import annotations

import contextlib
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

LIMIT_S = 20.0

ROOT_SCRIPT = """
import sys
from pathlib import Path
from dreamnet.root import Root, pulse
pulse.BEAT_S = 0.2
sys.exit(Root([sys.executable, "-S", sys.argv[1], sys.argv[2]], Path(sys.argv[2])).run())
"""

# Each start writes a line; `plan` holds what each start does, the last one for ever.
NODE_SCRIPT = r"""
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
        self.script.write_text(NODE_SCRIPT)
        self.errors = folder / "errors"
        self.roots: list[subprocess.Popen[bytes]] = []

    def up(self, *plan: dict[str, Any]) -> subprocess.Popen[bytes]:
        if plan:
            (self.data / "plan").write_text(json.dumps(plan))
        with self.errors.open("ab") as errors:
            command = [sys.executable, "-c", ROOT_SCRIPT, str(self.script), str(self.data)]
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


def has_adopted(pid: int) -> bool:
    """Tell whether a root holds a handle on a node that is not its child."""
    with contextlib.suppress(FileNotFoundError):  # a handle that was just closed
        return any(str(one.readlink()) == "anon_inode:[pidfd]" for one in _handles(pid))
    return False


def _handles(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/fd").iterdir())


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.clear()
