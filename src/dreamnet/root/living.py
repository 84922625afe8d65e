"""Who lives: a process is known by its pid together with its start time and boot."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

_PROC = Path("/proc")


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when gone or unknown."""
    fields = _stat(pid)
    return None if not fields or fields[0] in "ZXx" else int(fields[19])


def is_stopped(pid: int) -> bool:
    """Tell whether a process is stopped (SIGSTOP); false where that cannot be seen."""
    return _stat(pid)[:1] == ["T"]


def waited_s(pid: int) -> float:
    """Return how long a process's main thread has waited for a processor; 0 where unknown."""
    try:
        return int((_PROC / str(pid) / "schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _stat(pid: int) -> list[str]:
    """Return the fields of `/proc/PID/stat` from the state on; empty when there are none."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    return stat[stat.rindex(")") + 2 :].split()


def runs(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not, where that can be seen."""
    return start_ticks(pid) is not None if (_PROC / "self").exists() else exists(pid)


def exists(pid: int) -> bool:
    """Tell whether there is a process with this pid, a zombie too."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def is_same_process(pid: int, ticks: object, boot_id: object) -> bool:
    """Tell whether the process that was recorded still runs; without /proc only its pid counts."""
    if not (_PROC / "self").exists():
        return exists(pid)
    if isinstance(boot_id, str) and boot_id and boot_id != _boot_id():
        return False
    return exists(pid) if ticks is None else start_ticks(pid) == ticks


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


def recorded_url(record: Path, pid: int) -> str | None:
    """Return where a node answers, None unless the record was written by exactly this process."""
    try:
        read = json.loads(record.read_text())
        return str(read.get("url", "")) if int(read["pid"]) == pid else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def catches(pid: int, number: signal.Signals) -> bool:
    """Tell whether a process handles a signal; yes where that cannot be seen."""
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return True
    for line in status.splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return True
