"""The supervisor: keeps one node running until it is told to stop or the node stops on purpose."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.environ import own_environment
from dreamnet.kernel.filelimit import FILE_LIMIT_VARIABLE, raise_file_limit
from dreamnet.root.children import become_subreaper, death_of, reaped
from dreamnet.root.end import AGAIN_CODE, BUSY_CODE, WRONG_CONFIG_CODE, End
from dreamnet.root.living import catches, living_node, recorded_url, runs
from dreamnet.root.lock import held
from dreamnet.root.pulse import Pulse

COMPLAINT_VARIABLE = "DREAMNET_NODE_COMPLAINT"  # the file that holds what the node complained of

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
HEALTHY_S = 30.0
CALM_S = 1.0  # a node that asks to be started again sooner than this is treated as one that died
DEAF_LIMIT_S = 20.0  # how long a starting node may take until it listens to signals

_POLL_S = 0.05
_IDLE_S = 5.0
_clock = SystemClock()


class Root:
    """Watches one node for ever, until it is told to stop or the node stops on purpose.

    Wrong settings end it at the first start; later they are waited for: what runs is unwatched.
    SIGTERM, SIGINT and SIGHUP stop everything; SIGUSR1 stops the node and leaves services running.
    """

    def __init__(self, command: list[str], data_dir: Path) -> None:
        self._command = command
        self._data_dir = data_dir
        self._record = data_dir / "node.json"
        self._child: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._stop_signal: signal.Signals | None = None
        self._untold = False
        self._started_s = 0.0
        self._finishing = False
        self._was_up = False
        self._complaint = data_dir / "complaint"
        self._told: str | None = None  # the complaint of which we have said that we wait
        self._file_limit = 0  # the soft limit we were started with, for those who are not ours
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
        with held(self._data_dir):
            become_subreaper()
            self._file_limit = raise_file_limit()
            return self._watch_for_ever()

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
        if is_patient and not catches(pid, number):
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
            self._was_up = self._was_up or recorded_url(self._record, pid) is not None
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
        stopped_on_purpose = not self._record.exists()
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
            _say("no node starts: what runs is not watched; waiting until that is mended")

    def _finish(self) -> bool:
        """Say whether one more node is needed, to stop what a dead one left running."""
        is_everything = self._stop_signal == signal.SIGTERM
        left_something = is_everything and self._record.exists()
        self._finishing = self._untold = left_something
        return left_something

    def _start(self, end: End | None) -> int:
        environment = dict(own_environment())
        environment.pop("DREAMNET_NODE_DEATH", None)
        environment[FILE_LIMIT_VARIABLE] = str(self._file_limit)
        if self._was_up:
            environment[COMPLAINT_VARIABLE] = str(self._complaint.absolute())
        if end is not None:
            death = {"monotonic_s": end.monotonic_s, "words": end.words()}
            environment["DREAMNET_NODE_DEATH"] = json.dumps(death)
        self._started_s = _clock.monotonic()
        self._child = subprocess.Popen(
            self._command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self._pid = self._child.pid
        return self._child.pid

    def _wait(self, pid: int) -> End:
        """Wait until the node has ended, killed when it hangs; reap every other child meanwhile."""
        is_ours = self._child is not None and self._child.pid == pid
        hung = ""
        with (
            death_of(None if is_ours else pid) as death,
            contextlib.closing(Pulse(self._record, pid, _clock.monotonic())) as pulse,
        ):
            while True:
                status = self._reap(pid)
                if status is not None or (not is_ours and not runs(pid)):
                    self._pid = None
                    return End(status, _clock.monotonic(), hung)
                pulse.beat(_clock.monotonic())
                if pulse.is_lost and not hung:
                    hung = pulse.silence
                    self._kill(pid, hung)
                told = self._pass_on(pid)
                watched = (is_ours or death is not None) and not hung
                limit_s = _IDLE_S if told and watched else _POLL_S
                self._sleep(min(limit_s, pulse.due_s - _clock.monotonic()), death, pulse)

    def _kill(self, pid: int, hung: str) -> None:
        _say(f"node {hung}; killing it")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _reap(self, pid: int | None) -> int | None:
        """Reap every ended child; the exit status of `pid` when it is among them."""
        found = None
        for ended, status in reaped():
            if ended == pid:
                found = status
            if self._child is not None and ended == self._child.pid:
                self._child.returncode = status
        return found

    def _sleep(self, limit_s: float, death: int | None = None, pulse: Pulse | None = None) -> None:
        watched = [self._wake_read, *(pulse.handles if pulse is not None else ())]
        if death is not None:
            watched.append(death)
        select.select(watched, [], [], max(0.0, limit_s))
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _rest(self, seconds: float) -> None:
        """Wait before the next start, or until a stop comes; orphans are reaped meanwhile."""
        until = _clock.monotonic() + seconds
        while self._stop_signal is None and _clock.monotonic() < until:
            self._sleep(max(0.0, until - _clock.monotonic()))
            self._reap(None)


def _say(words: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # the terminal may be gone; root goes on
        print(f"dreamnet: {words}", file=sys.stderr, flush=True)  # noqa: T201
