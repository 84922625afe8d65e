"""Fault injectors: they hurt what was meant, nothing else, and tidy up."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dreamnet.kernel.ports import free_port
from dreamnet.testing.faults import (
    FaultFailed,
    answer_errors,
    freeze,
    frozen,
    kill,
    lock_database,
    locked_database,
    start_ticks,
    thaw,
)


@pytest.fixture
def child():
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    return path


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_for_state(pid: int, *wanted: str) -> None:
    end = time.monotonic() + 5
    while state(pid) not in wanted:
        assert time.monotonic() < end, f"still {state(pid)}"
        time.sleep(0.005)


def test_kill_gives_its_instant(child):
    before = time.monotonic()
    instant = kill(child.pid, expected_start=start_ticks(child.pid))
    assert before <= instant <= time.monotonic()
    assert child.wait(5) == -signal.SIGKILL


def test_a_pid_that_means_another_process_now_is_left_alone(child):
    with pytest.raises(FaultFailed, match="not the one"):
        kill(child.pid, expected_start=start_ticks(child.pid) - 1)
    assert child.poll() is None


def test_what_is_gone_or_ours_is_refused(child):
    child.kill()
    child.wait()
    with pytest.raises(FaultFailed, match="no process"):
        kill(child.pid)
    for pid in (-1, 0, 1):
        with pytest.raises(FaultFailed, match="not a process to hurt"):
            kill(pid)
    with pytest.raises(FaultFailed, match="our own process group"):
        freeze(os.getpid(), group=True)


async def test_a_frozen_process_goes_on_afterwards(child):
    async with frozen(child.pid):
        wait_for_state(child.pid, "T")
    wait_for_state(child.pid, "S", "R")


async def test_a_process_replaced_while_frozen_is_no_error(child):
    async with frozen(child.pid):
        kill(child.pid)
        child.wait(5)


def test_a_group_is_frozen_with_its_workers():
    script = "import subprocess; subprocess.run(['sleep', '60'])"
    master = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    try:
        end, workers = time.monotonic() + 10, ""
        while not workers:
            assert time.monotonic() < end
            workers = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text()
        worker = int(workers.split()[0])
        freeze(master.pid, group=True)
        wait_for_state(worker, "T")
        thaw(master.pid, group=True)
        wait_for_state(worker, "S", "R")
    finally:
        kill(master.pid, group=True)
        master.wait(5)


async def test_a_locked_database_is_read_but_not_written_until_the_end(database):
    other = sqlite3.connect(database, timeout=0, isolation_level=None)
    async with locked_database(database):
        assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("INSERT INTO t VALUES (1)")
    other.execute("INSERT INTO t VALUES (1)")
    began = await lock_database(database, 0.05)
    assert time.monotonic() - began >= 0.05
    other.execute("INSERT INTO t VALUES (1)")
    other.close()


async def test_a_database_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(FaultFailed, match="cannot open"):
        async with locked_database(tmp_path / "none.db"):
            pass
    assert list(tmp_path.iterdir()) == []


async def test_a_shop_that_does_not_answer_is_reported():
    with pytest.raises(FaultFailed, match="no answer"):
        await answer_errors(f"http://127.0.0.1:{free_port()}")
