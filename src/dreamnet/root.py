"""Root: starts the node, starts it again when it dies, reaps orphans; standard library only.

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
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.environ import own_environment

AGAIN_CODE = 75  # the node asks to be started again at once
WRONG_CONFIG_CODE = 78  # nothing was started: somebody has to mend the settings
BUSY_CODE = 73  # another DreamNet has this data directory
COMPLAINT_VARIABLE = "DREAMNET_NODE_COMPLAINT"  # the file that holds what the node complained of

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
HEALTHY_S = 30.0
CALM_S = 1.0  # a node that asks to be started again sooner than this is treated as one that died
DEAF_LIMIT_S = 20.0  # how long a starting node may take until it listens to signals

_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.05
_IDLE_S = 5.0
_LOCK_PATIENCE_S = 0.5
_PROC = Path("/proc")
_clock = SystemClock()


class AlreadyRunning(RuntimeError):
    """Another root holds this data directory; the text is its pid."""


@dataclass(frozen=True)
class End:
    """How the node ended: exit code, or negative signal number; None when it was not our child."""

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
    """Return when a process started, in clock ticks since boot; None when gone or unknown."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZXx" else int(fields[19])


def is_same_process(pid: int, ticks: object, boot_id: object) -> bool:
    """Tell whether the process that was recorded still runs; without /proc only its pid counts."""
    if not (_PROC / "self").exists():
        return _exists(pid)
    if isinstance(boot_id, str) and boot_id and boot_id != _boot_id():
        return False
    return _exists(pid) if ticks is None else start_ticks(pid) == ticks


def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def living_node(data_dir: Path) -> int | None:
    """Return the pid of the node that runs in this data directory, None when there is none."""
    return living_process(data_dir / "node.json")


def living_process(record: Path) -> int | None:
    """Return the pid in a file `{"pid", "start_ticks", "boot_id"}` if that process still runs."""
    try:
        read = json.loads(record.read_text())
        pid = int(read["pid"])
        found = pid > 0 and is_same_process(pid, read.get("start_ticks"), read.get("boot_id"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return pid if found else None


def living_root(data_dir: Path) -> int | None:
    """Return the pid of the root that holds this data directory, None when there is none.

    0 when somebody holds it who has not said who.
    """
    try:
        handle = os.open(data_dir / "root.lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        for _ in range(10):
            if _try_lock(handle, fcntl.LOCK_SH):
                return None
            if holder := os.pread(handle, 32, 0).strip():
                return int(holder) if holder.isdigit() else 0
            time.sleep(_POLL_S / 5)
        return 0
    finally:
        os.close(handle)


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


class Root:
    """Watches one node for ever, until it is told to stop or the node stops on purpose.

    Wrong settings end it at the first start; later they are waited for: what runs is unwatched.
    SIGTERM, SIGINT and SIGHUP stop everything; SIGUSR1 stops the node and leaves services running.
    """

    def __init__(self, command: list[str], data_dir: Path) -> None:
        self._command = command
        self._data_dir = data_dir
        self._child: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._stop_signal: signal.Signals | None = None
        self._untold = False
        self._started_s = 0.0
        self._finishing = False
        self._was_up = False
        self._complaint = data_dir / "complaint"
        self._told: str | None = None  # the complaint of which we have said that we wait
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def run(self) -> int:
        """Return the exit code of the whole: 0 after a stop on purpose.

        Raises AlreadyRunning, or OSError when the data directory or the node's program cannot be
        used.
        """
        self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._listen()  # before the lock says who we are: whoever reads that may send a signal
        with self._locked():
            _become_subreaper()
            return self._watch_for_ever()

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        handle = os.open(self._data_dir / "root.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock(handle)
            yield
        finally:
            os.close(handle)

    def _lock(self, handle: int) -> None:
        until = _clock.monotonic() + _LOCK_PATIENCE_S  # `living_root` holds the lock for a moment
        while not _try_lock(handle, fcntl.LOCK_EX):
            if _clock.monotonic() > until:
                holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
                raise AlreadyRunning(holder or "unknown")
            time.sleep(_POLL_S / 5)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)

    # -- signals

    def _listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, self._on_child)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Note it; the loop passes it on, so that no moment of a start can lose it."""
        is_node_only = number == signal.SIGUSR1
        self._stop_signal = signal.SIGUSR1 if is_node_only else signal.SIGTERM
        self._untold = True
        self._wake()

    def _on_child(self, _number: int, _frame: FrameType | None) -> None:
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    def _pass_on(self, pid: int) -> bool:
        """Tell the node to stop, once it listens; false while it does not yet."""
        number = self._stop_signal
        if number is None or not self._untold:
            return True
        is_patient = _clock.monotonic() - self._started_s < DEAF_LIMIT_S
        if is_patient and not _catches(pid, number):
            return False
        self._untold = False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return True

    # -- the node

    def _watch_for_ever(self) -> int:
        pause, death = 0.0, None
        self._pid = living_node(self._data_dir)
        self._was_up = self._pid is not None
        while True:
            began = _clock.monotonic()
            pid = self._pid or self._start(death)
            end = self._wait(pid)
            code = self._code(end)
            if code is not None:
                return code
            self._was_up = self._was_up or _names(self._data_dir / "node.json", pid)
            if end.status != WRONG_CONFIG_CODE:  # which was no death: that came before
                death = end
            lived_s = _clock.monotonic() - began
            if lived_s > HEALTHY_S or (end.status == AGAIN_CODE and lived_s > CALM_S):
                pause = 0.0
            self._tell(end)
            self._rest(pause)
            pause = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, pause * 2))
            if self._stop_signal is not None and not self._finish():
                return 0

    def _code(self, end: End) -> int | None:
        """Return root's exit code, None when the node shall be started (again)."""
        is_wrong = end.status == WRONG_CONFIG_CODE
        if end.status in (0, BUSY_CODE) or (is_wrong and not self._was_up):
            return end.status
        stopped_on_purpose = not (self._data_dir / "node.json").exists()
        if end.status is None and stopped_on_purpose:
            return 0
        if self._stop_signal is None:
            return None
        if self._finishing:
            _say(f"node {end.words()} while it stopped: see what is left with `dreamnet down`")
            return WRONG_CONFIG_CODE if is_wrong else 1
        return None if self._finish() else 0

    def _tell(self, end: End) -> None:
        """Say what comes next; of settings that are still wrong in the same way only once."""
        if end.status != WRONG_CONFIG_CODE:
            self._told = None
            with contextlib.suppress(OSError):
                self._complaint.unlink(missing_ok=True)
            _say(f"node {end.words()}; starting it again")
            return
        complaint = ""
        with contextlib.suppress(OSError):
            complaint = self._complaint.read_text(errors="replace")
        if complaint != self._told:
            self._told = complaint
            _say("wrong settings: what runs is not watched; waiting for the file to be mended")

    def _finish(self) -> bool:
        """Say whether one more node is needed, to stop what a dead one left running."""
        is_everything = self._stop_signal == signal.SIGTERM
        left_something = is_everything and (self._data_dir / "node.json").exists()
        self._finishing = self._untold = left_something
        return left_something

    def _start(self, end: End | None) -> int:
        environment = dict(own_environment())
        environment.pop("DREAMNET_NODE_DEATH", None)
        if self._was_up:
            environment[COMPLAINT_VARIABLE] = str(self._complaint.absolute())
        if end is not None:
            death = {"wall_s": end.wall_s, "monotonic_s": end.monotonic_s, "words": end.words()}
            environment["DREAMNET_NODE_DEATH"] = json.dumps(death)
        self._started_s = _clock.monotonic()
        self._child = subprocess.Popen(
            self._command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self._pid = self._child.pid
        return self._child.pid

    def _wait(self, pid: int) -> End:
        """Wait until the node has ended; reap every other child meanwhile."""
        is_ours = self._child is not None and self._child.pid == pid
        with _death_of(None if is_ours else pid) as death:
            while True:
                status = self._reap(pid)
                if status is not None or (not is_ours and not _runs(pid)):
                    self._pid = None
                    return End(status, _clock.monotonic(), _clock.now().timestamp())
                told = self._pass_on(pid)
                watched = is_ours or death is not None
                self._sleep(_IDLE_S if told and watched else _POLL_S, death)

    def _reap(self, pid: int | None) -> int | None:
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
            if self._child is not None and ended == self._child.pid:
                self._child.returncode = os.waitstatus_to_exitcode(status)

    def _sleep(self, limit_s: float, death: int | None = None) -> None:
        watched = [self._wake_read] if death is None else [self._wake_read, death]
        select.select(watched, [], [], limit_s)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _rest(self, seconds: float) -> None:
        """Wait before the next start, or until a stop comes; orphans are reaped meanwhile."""
        until = _clock.monotonic() + seconds
        while self._stop_signal is None and _clock.monotonic() < until:
            self._sleep(max(0.0, until - _clock.monotonic()))
            self._reap(None)


def _names(record: Path, pid: int) -> bool:
    """Tell whether a node's record was written by this process."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads(record.read_text())["pid"]) == pid
    return False


def _say(words: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # the terminal may be gone; root goes on
        print(f"dreamnet: {words}", file=sys.stderr, flush=True)  # noqa: T201


def _runs(pid: int) -> bool:
    return start_ticks(pid) is not None if (_PROC / "self").exists() else _exists(pid)


def _catches(pid: int, number: signal.Signals) -> bool:
    """Tell whether a process handles a signal; yes where that cannot be seen."""
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return True
    for line in status.splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return True


@contextlib.contextmanager
def _death_of(pid: int | None) -> Generator[int | None]:
    """Give a handle that becomes readable when `pid`, not our child, dies; None without pidfd."""
    handle = None
    with contextlib.suppress(AttributeError, OSError):
        handle = None if pid is None else os.pidfd_open(pid)
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def _become_subreaper() -> None:
    """On Linux, orphans of a dead node become root's children, so that root can reap them."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
