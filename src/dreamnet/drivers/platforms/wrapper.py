"""The tiny shell process around an application that keeps its pid and its exit status."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dreamnet.kernel.filelimit import file_limit_of_services
from dreamnet.kernel.processes import (
    HAS_PROC,
    Identity,
    Stat,
    current_boot_id,
    parse_stat,
    read_stat,
)

_SHELL = "/bin/sh"
_END = "."
_FRESH_S = 0.5

# Runs in the folder where `exit` belongs, by builtins alone: PATH is the service's affair. The
# application runs in the foreground, so its signals are the default ones; the traps keep the
# wrapper alive through a signal to the group until the application has ended. What a shell says
# about a killed child is no line of the application's log.
_OUTER = r"""trap : HUP INT QUIT TERM USR1 USR2
exec 2>/dev/null
/bin/sh -c "$@"
printf '%s\n.\n' "$?" >exit
"""

# Becomes the application. Without its pid on record it never runs: a node that gave up on this
# start has removed the folder, and then `pid` cannot be written.
_INNER = r"""exec 2>&1
read -r DREAMNET_STAT 2>/dev/null </proc/$$/stat
read -r DREAMNET_PARENT 2>/dev/null </proc/$PPID/stat
printf '%s\n%s\n%s\n.\n' "$$" "$DREAMNET_STAT" "$DREAMNET_PARENT" 2>/dev/null >pid || exit 125
unset DREAMNET_STAT DREAMNET_PARENT
cd "$1" || exit 126
shift
unset PWD OLDPWD SHLVL
exec "$@"
"""


@dataclass(frozen=True)
class Launch:
    """What a wrapper needs: where it records (`run`), what it executes and where."""

    label: str
    run: Path
    folder: str
    command: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True)
class Recorded:
    """Whom a wrapper started: the application, itself, and the session both are in."""

    application: Identity
    wrapper: Identity | None
    session: int
    group: int


def launch(what: Launch, log: int) -> int:
    """Start a wrapper in a session of its own, output appended to `log`; returns its pid.

    OSError when the system refuses.
    """
    limit = file_limit_of_services()
    outer = _OUTER if limit is None else f"ulimit -S -n {limit} 2>/dev/null\n{_OUTER}"
    child = subprocess.Popen(
        [_SHELL, "-c", outer, what.label, _INNER, what.label, what.folder, *what.command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=what.run,
        env=what.environment,
        start_new_session=True,
    )
    child.returncode = 0  # it outlives this object on purpose; who knows the pid reaps it
    return child.pid


def read_pid(run: Path, boot_id: str) -> Recorded | None:
    """Return whom the wrapper started during boot `boot_id`; None while that is not on record."""
    lines = _whole_lines(run / "pid")
    if len(lines) != 3 or not lines[0].isdigit():
        return None
    pid = int(lines[0])
    stat = parse_stat(lines[1]) if HAS_PROC else _stat_before(pid, run / "pid")
    if stat is None or boot_id != current_boot_id():
        return Recorded(Identity(pid, stat.start_ticks if stat else 0, boot_id), None, 0, 0)
    parent = parse_stat(lines[2]) if HAS_PROC else read_stat(stat.parent)
    wrapper = _wrapper(parent, stat)
    application = Identity(pid, stat.start_ticks, boot_id)
    return Recorded(application, wrapper, stat.session, stat.group)


def _wrapper(parent: Stat | None, stat: Stat) -> Identity | None:
    if parent is None or parent.pid != stat.session:
        return None
    return Identity(parent.pid, parent.start_ticks, current_boot_id())


def _stat_before(pid: int, file: Path) -> Stat | None:
    """Without /proc: the process with this pid, unless it is younger than the file naming it."""
    stat = read_stat(pid)
    written = file.stat().st_mtime
    return stat if stat is not None and stat.start_ticks / 100 <= written + _FRESH_S else None


@dataclass(frozen=True)
class Status:
    """How the application ended; `at` is seconds since the epoch.

    A shell cannot tell exit code 143 from a death by SIGTERM; both read as the signal.
    """

    code: int | None
    signal: int | None
    at: float


def read_exit(run: Path) -> Status | None:
    """Return the exit status that the wrapper kept; None when there is none (yet)."""
    lines = _whole_lines(run / "exit")
    if len(lines) != 1 or not lines[0].isdigit():
        return None
    status, at = int(lines[0]), (run / "exit").stat().st_mtime
    return Status(None, status - 128, at) if status > 128 else Status(status, None, at)


def _whole_lines(file: Path) -> list[str]:
    """Return the lines before the end mark; nothing when the file is absent or half written."""
    try:
        text = os.fsdecode(file.read_bytes())
    except OSError:
        return []
    lines = text.split("\n")
    return lines[:-2] if lines[-2:] == [_END, ""] else []
