"""A process for the kill test: on each line of stdin it forks a child that restores, and reaps it.

A line on stdout for each: `begun PID`, then `ended STATUS`. The imports are paid for once.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from dreamnet.app.restore import restore_backup


def say(line: str) -> None:
    """Write a line in one piece."""
    os.write(1, f"{line}\n".encode())


def main(backup: Path, settings: Path) -> None:
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            restore_backup(backup, settings, datetime.now(UTC), force=True)
            os._exit(0)
        say(f"begun {pid}")
        _, status = os.waitpid(pid, 0)
        say(f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
