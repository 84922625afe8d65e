"""Root: starts the node, starts it again when it dies, and reaps orphans; no policy, standard library.

The node lives in its own session, so Ctrl-C reaches root only, and root's death leaves it running:
the next root finds it by `node.json` and takes it over.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

AGAIN_CODE = 75  # the node asks to be started again at once
WRONG_CONFIG_CODE = 78  # nothing was started: starting again would change nothing
BUSY_CODE = 73  # another DreamNet has this data directory

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
HEALTHY_S = 30.0
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.05


class AlreadyRunning(RuntimeError):
    """Another root holds this data directory."""


@dataclass(frozen=True)
class End:
    """How the node ended: exit code, or a negative signal number; None when it was not our child."""

    status: int | None
    monotonic_s: float
    wall_s: float

    def words(self) -> str:
        """Return the end in words."""
        if self.status is None:
            return "ended, status unknown"
        if self.status < 0:
            return f"killed by signal {-self.status}"
        return f"exit code {self.status}"


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when it is gone (or unknown)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] == "Z" else int(fields[19])


def living_node(data_dir: Path) -> int | None:
    """Return the pid of a node that an earlier root left running, None when there is none."""
    try:
        record = json.loads((data_dir / "node.json").read_text())
        pid, ticks = int(record["pid"]), record.get("start_ticks")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if ticks is None:
        return pid if _exists(pid) else None
    return pid if start_ticks(pid) == ticks else None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


class Root:
    """Watches one node for ever, until it is told to stop or the node stops on purpose."""

    def __init__(self, command: list[str], data_dir: Path) -> None:
        self._command = command
        self._data_dir = data_dir
        self._child: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._stop_signal: int | None = None
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def run(self) -> int:
        """Return the exit code of the whole: 0 after a stop on purpose."""
        self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked():
            self._listen()
            _become_subreaper()
            return self._watch_for_ever()

    @contextlib.contextmanager
    def _locked(self):  # noqa: ANN202 - a generator for contextmanager
        handle = os.open(self._data_dir / "root.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise AlreadyRunning(holder) from error
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        try:
            yield
        finally:
            os.close(handle)

    def _listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, self._on_child)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._stop_signal = signal.SIGUSR1 if number == signal.SIGUSR1 else signal.SIGTERM
        self._pass_on()
        self._wake()

    def _on_child(self, _number: int, _frame: FrameType | None) -> None:
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def _pass_on(self) -> None:
        if self._pid is not None and self._stop_signal is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, self._stop_signal)

    def _watch_for_ever(self) -> int:
        pause, end = 0.0, None
        self._pid = living_node(self._data_dir)
        while True:
            began = time.monotonic()
            if self._pid is None:
                self._start(end)
            end = self._wait()
            if end.status in (0, WRONG_CONFIG_CODE, BUSY_CODE) or self._stop_signal is not None:
                return 0 if end.status is None or self._stop_signal is not None else end.status
            if end.status == AGAIN_CODE or time.monotonic() - began > HEALTHY_S:
                pause = 0.0
            print(f"dreamnet: node {end.words()}; starting it again", file=sys.stderr)  # noqa: T201
            if not self._pause(pause):
                return 0
            pause = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, pause * 2))

    def _start(self, end: End | None) -> None:
        environment = dict(os.environ)  # noqa: TID251 - root stands apart from kernel.environ
        environment.pop("DREAMNET_NODE_DEATH", None)
        if end is not None:
            death = {"wall_s": end.wall_s, "monotonic_s": end.monotonic_s, "words": end.words()}
            environment["DREAMNET_NODE_DEATH"] = json.dumps(death)
        self._child = subprocess.Popen(
            self._command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self._pid = self._child.pid
        self._pass_on()

    def _wait(self) -> End:
        """Wait until the node has ended; reap every other child meanwhile."""
        pid = self._pid
        if pid is None:
            raise RuntimeError("there is no node to wait for")
        while True:
            status = self._reap(pid)
            own = self._child is not None and self._child.pid == pid
            if status is not None or (not own and start_ticks(pid) is None):
                self._pid = None
                return End(status, time.monotonic(), time.time())  # noqa: TID251 - stands apart
            self._sleep(5.0 if own else _POLL_S)

    def _reap(self, pid: int) -> int | None:
        """Reap every ended child; the exit status of `pid` when it is among them."""
        found = None
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if ended == 0:
                return found
            if ended == pid:
                found = os.waitstatus_to_exitcode(status)
                if self._child is not None:
                    self._child.returncode = found

    def _sleep(self, limit_s: float) -> None:
        ready, _, _ = select.select([self._wake_read], [], [], limit_s)
        if ready:
            os.read(self._wake_read, 4096)

    def _pause(self, seconds: float) -> bool:
        """Wait before the next start; false when a stop came meanwhile."""
        until = time.monotonic() + seconds
        while self._stop_signal is None and time.monotonic() < until:
            self._sleep(until - time.monotonic())
        return self._stop_signal is None


def _become_subreaper() -> None:
    """On Linux, orphans of a dead node become root's children, so that root can reap them."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
