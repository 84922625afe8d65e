"""A full, read-only or locked disk under a node: users do not notice, nothing kept is lost."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.faultfs import abort, drain, fill, free_bytes, locked, remount, repair, small_disk

sys.path.insert(0, str(Path(__file__).parent))
from store_chaos import (
    Asker,
    Place,
    check_everything,
    healed,
    kill_one,
    patient,
    place,
    renewed,
    serves_users,
    told,
)


@contextmanager
def on_small_disk(folder: Path, kind: str) -> Iterator[Place]:
    """A running place whose data directory is a small disk of its own."""
    with small_disk(folder / ".dreamnet", 96, kind), place(folder) as here:
        here.write(change=patient)
        here.up()
        here.until((here.data / "reserve").exists)
        yield here


def a_full_disk(here: Place) -> None:
    """Fill the disk, heal on the reserve, fill it again, wait, and go on once there is room."""
    node, asker = here.node_pid(), Asker(here)
    assert asker.send() == 202
    fill(here.data, leave=500_000)
    here.until(lambda: not (here.data / "reserve").exists())
    assert free_bytes(here.data) > 1_000_000, "the reserve was given away"
    victim = kill_one(here, "shop/1")
    here.until(lambda: renewed(here, "shop/1", victim))

    for _ in range(3):
        fill(here.data)
        time.sleep(0.3)
    second = kill_one(here, "shop/2")
    here.until(lambda: asker.send() == 503)
    serves_users(here)
    assert here.ask("/health/live") is not None
    assert here.ask("/health/ready") is None, "503"
    assert "free some space" in told(here, "status")
    assert "free space on this disk" in told(here, "scale", "shop", "3")
    for command in (["dreams"], ["events", "-n", "3"], ["logs", "shop"]):
        told(here, *command)

    drain(here.data)
    began = time.monotonic()
    here.until(lambda: renewed(here, "shop/2", second))
    print(f"healed {time.monotonic() - began:.1f} s after there was room")  # noqa: T201
    here.until((here.data / "reserve").exists)
    here.until(lambda: asker.send() == 202)
    here.until(lambda: here.ask("/health/ready"))
    asker.check()
    check_everything(here, node)


def test_a_full_disk_is_waited_out(tmp_path: Path) -> None:
    with on_small_disk(tmp_path, "tmpfs") as here:
        a_full_disk(here)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_full_disk_of_blocks_is_waited_out(tmp_path: Path) -> None:
    with on_small_disk(tmp_path, "ext4") as here:
        a_full_disk(here)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_disk_that_fills_again_and_again(tmp_path: Path) -> None:
    with on_small_disk(tmp_path, "tmpfs") as here:
        for _ in range(6):
            a_full_disk(here)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_node_that_dies_on_a_full_disk_waits_and_comes_back(tmp_path: Path) -> None:
    with on_small_disk(tmp_path, "tmpfs") as here:
        node, pids = here.node_pid(), here.pids()
        for _ in range(3):
            fill(here.data)
            time.sleep(1)
        os.kill(node, signal.SIGKILL)
        time.sleep(5)
        fill(here.data)
        serves_users(here)
        assert "the disk is full" in told(here, "status")
        drain(here.data)
        here.until(lambda: here.ask("/api/status") and healed(here))
        assert here.pids() == pids
        check_everything(here, here.node_pid())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_service_that_logs_the_disk_full_takes_nobody_down(tmp_path: Path) -> None:
    """It may keep 40 MB of log on a disk of 32, and writes four a second.

    Users are served all the time. Healing may have to wait until the writer rests and its log is
    emptied, as docs/limits.md says.
    """
    script = "while :; do head -c 400000 /dev/zero | tr '\\\\0' x; echo; sleep 0.1; done"
    noisy = f'[services.noisy]\nrun = "sh -c \\"{script}\\""\n'
    with small_disk(tmp_path / ".dreamnet", 32, "tmpfs"), place(tmp_path) as here:
        here.write(f"\n{noisy}", change=patient)
        here.dreamnet("up", "--detach", limit=120)  # not ready, for the disk is small
        here.until(lambda: len(here.serving()) == 2)
        node = here.node_pid()
        end = time.monotonic() + 30
        while time.monotonic() < end:
            serves_users(here)
            time.sleep(0.5)
        victim = kill_one(here, "shop/1")
        serves_users(here)
        for process in psutil.process_iter(["cmdline"]):
            if script in (process.info["cmdline"] or []):
                process.suspend()
        for file in here.data.rglob("*"):
            if "noisy" in str(file.relative_to(here.data)) and file.is_file():
                os.truncate(file, 0)
        here.until(lambda: len(here.serving()) == 2 and here.pids()["shop/1"] != victim)
        assert here.node_pid() == node
        assert here.json("ledger", "verify")["broken_at"] is None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_disk_that_fails_takes_nobody_down_and_loses_nothing(tmp_path: Path) -> None:
    with on_small_disk(tmp_path, "ext4") as here:
        node, asker = here.node_pid(), Asker(here)
        for _ in range(20):
            assert asker.send() == 202
        abort(here.data)
        kill_one(here, "shop/1")
        here.until(lambda: asker.send() == 503)
        serves_users(here)
        assert here.ask("/health/ready") is None
        print(told(here, "status"), told(here, "scale", "shop", "3"))  # noqa: T201
        told(here, "dreams")
        time.sleep(5)
        serves_users(here)
        assert here.node_pid() == node, "the node lived all the time"
        told(here, "down")
        here.until(lambda: not here.processes(), limit=20)
        repair(here.data)
        here.up()
        here.until(lambda: healed(here))
        asker.check()
        check_everything(here, here.node_pid())


def test_a_read_only_disk_is_refused_at_the_start(tmp_path: Path) -> None:
    with small_disk(tmp_path / ".dreamnet", 16), place(tmp_path) as here:
        remount(here.data, "ro")
        done = here.dreamnet("up", "--detach")
        assert done.returncode == 2
        assert "Read-only file system" in done.stderr
        assert "mend:" in done.stderr
        assert "Traceback" not in done.stderr
        assert not [one for one in here.processes() if one.status() != psutil.STATUS_ZOMBIE]
        remount(here.data, "rw")


def a_locked_store(here: Place, hold_s: float) -> None:
    """Hold the store's lock while an instance dies; who asks is told soon."""
    node, asker = here.node_pid(), Asker(here)
    assert asker.send() == 202
    with locked(here.data / "dreamnet.db"):
        victim = kill_one(here, "shop/1")
        end = time.monotonic() + hold_s
        while (left := end - time.monotonic()) > 0:
            serves_users(here)
            if left > 6:
                asker.send()
                assert "locked" in told(here, "status") or left > hold_s - 6
                told(here, "dreams")
            time.sleep(min(0.2, left))
    began = time.monotonic()
    here.until(lambda: renewed(here, "shop/1", victim))
    print(f"healed {time.monotonic() - began:.1f} s after {hold_s:g} s of lock")  # noqa: T201
    assert asker.slowest_s < 13
    here.until(lambda: asker.send() == 202)
    here.until(lambda: here.ask("/health/ready"))
    asker.check()
    check_everything(here, node)


@pytest.mark.parametrize(
    "hold_s",
    [
        pytest.param(1.0, marks=pytest.mark.slow),
        pytest.param(5.0, marks=pytest.mark.slow),
        8.0,
        pytest.param(40.0, marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(300)
def test_a_locked_store_is_waited_out(tmp_path: Path, hold_s: float) -> None:
    with place(tmp_path) as here:
        here.write(change=patient)
        here.up()
        a_locked_store(here, hold_s)
