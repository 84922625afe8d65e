"""kill -9 in the middle of a restore leaves the old store or the new one, whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from backing import NOW, content, fill, without_restore, write_site

from dreamnet.app.backup import make_backup
from dreamnet.app.restore import restore_backup

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def rounds(count: int, tmp_path: Path) -> tuple[int, int]:
    """Kill restores at random moments; returns how often the old and the new store was found."""
    settings = write_site(tmp_path / "site")
    fill(settings, rows=50)
    backup = make_backup(settings, tmp_path / "b.zip", NOW).file
    new = content(settings)
    command = [sys.executable, HERE / "restorer.py", backup, settings]
    old_seen = new_seen = 0
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as restorer:
        assert restorer.stdin is not None
        assert restorer.stdout is not None
        whole_s = 0.0
        for number in range(count + 1):
            fill(settings, "", rows=1)  # so that the old store differs from the new one
            old = content(settings)
            restorer.stdin.write("\n")
            restorer.stdin.flush()
            pid = int(restorer.stdout.readline().split()[1])
            began = time.monotonic()
            if number:  # the first is not killed: it says how long one takes
                time.sleep(random.uniform(0, whole_s))
                os.kill(pid, signal.SIGKILL)
            ended = restorer.stdout.readline()
            whole_s = whole_s or time.monotonic() - began
            found = content(settings)
            is_new = without_restore(found) == new and found != old
            assert is_new or found == old, ended
            old_seen, new_seen = old_seen + (not is_new), new_seen + is_new
        restorer.stdin.close()
    restore_backup(backup, settings, NOW, force=True)
    data = settings.parent / ".dreamnet"
    assert not list(data.glob(".restore-*")), "what the killed left behind is swept up"
    assert without_restore(content(settings)) == new
    return old_seen, new_seen


def test_a_kill_leaves_the_old_store_or_the_new_one(tmp_path: Path) -> None:
    random.seed(3)
    rounds(8, tmp_path)


@pytest.mark.slow
def test_two_hundred_kills_meet_every_step(tmp_path: Path) -> None:
    old_seen, new_seen = rounds(200, tmp_path)
    assert old_seen > 10
    assert new_seen > 10
