"""A reboot: everything is gone at once, the boot id is another, and systemd runs ExecStart."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from place import Place, place

from dreamnet.kernel.processes import read_stat

BOOT_ID = "/proc/sys/kernel/random/boot_id"
ANOTHER_BOOT = ["unshare", "--mount", "sh", "-c", f'mount --bind "$0" {BOOT_ID} && exec "$@"']


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        yield made


@pytest.fixture
def another_boot(tmp_path: Path) -> list[str]:
    """Return what makes a command see another boot id: a mount in a namespace of its own."""
    file = tmp_path / "boot-id"
    file.write_text(f"{uuid.uuid4()}\n")
    prefix = [*ANOTHER_BOOT, str(file)]
    done = subprocess.run([*prefix, "cat", BOOT_ID], capture_output=True, text=True, check=False)
    if done.stdout != file.read_text():
        pytest.skip("platform: a mount namespace of one's own is not allowed here")
    return prefix


def kill_everything(here: Place) -> None:
    """Kill root and node first, so that nobody heals what dies next; then whatever is left."""
    node = psutil.Process(here.node_pid())
    root = node.parent()
    assert root is not None
    _kill(root, node)
    here.until(lambda: _kill(*here.processes()) == 0)


def _kill(*processes: psutil.Process) -> int:
    """Kill processes; returns how many of them were not dead yet."""
    living = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            living += process.status() != psutil.STATUS_ZOMBIE
            process.send_signal(signal.SIGKILL)
    return living


def give_old_pids_to(here: Place, stranger: int) -> int:
    """Let every record of the last boot name a process of this boot, start time and all."""
    stat = Path(f"/proc/{stranger}/stat").read_text().strip()
    ticks = read_stat(stranger)
    assert ticks is not None
    records = [here.data / "node.json", *here.data.glob("gateway/*.pid.json")]
    for file in records:
        changed = {"pid": stranger, "start_ticks": ticks.start_ticks}
        file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    notes = list(here.data.glob("instances/*/run/pid"))
    for note in notes:
        note.write_text(f"{stranger}\n{stat}\n{stat}\n.\n")
    return len(records) + len(notes)


def test_after_a_reboot_everything_comes_back_and_nobody_else_is_touched(
    here: Place, another_boot: list[str]
) -> None:
    here.up()
    assert here.dreamnet("scale", "shop", "3").returncode == 0
    here.until(lambda: len(here.serving()) == 3)
    old = here.pids()
    os.kill(old["shop/1"], signal.SIGKILL)
    here.until(here.dreams)  # one is on its way when the power goes
    kill_everything(here)

    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            assert give_old_pids_to(here, stranger.pid) >= 5
            unit = here.dreamnet("install", "--print").stdout
            [start] = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
            command = [*another_boot, *shlex.split(start.partition("=")[2])]
            with subprocess.Popen(command, cwd=here.folder) as root:
                try:
                    here.until(lambda: len(here.serving()) == 3)
                    assert here.get() == 200
                    assert stranger.pid not in here.pids().values()
                    here.until(lambda: {one["phase"] for one in here.dreams()} == {"resolved"})
                    assert here.json("ledger", "verify")["broken_at"] is None
                finally:
                    root.terminate()  # as systemd stops it
                assert root.wait(60) == 0
            assert stranger.poll() is None, "a process that has an old pid was signalled"
        finally:
            stranger.kill()
    here.until(lambda: not here.processes(), limit=15)
