"""What a new node takes over from one that is gone, and what it must never touch."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from platform_stage import GRACE, Stage, kill, living, parent_of, staged, until

from dreamnet.model.instances import InstanceState


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "120"], start_new_session=True) as process:
        yield process
        process.kill()


async def test_a_running_instance_is_watched_and_stopped_by_the_next_node(stage: Stage) -> None:
    started = await stage.start("sleep 120")
    await stage.again()
    assert await stage.the(started.id) == started
    ended = await stage.platform.stop(started.id, GRACE)
    assert ended.exit is not None
    assert (ended.exit.signal, ended.exit.expected) == (signal.SIGTERM, True)


async def test_a_status_that_nobody_awaited_is_read_later(stage: Stage) -> None:
    started = await stage.start("sh -c 'read line </dev/zero & sleep 0.3; exit 5'")
    await stage.platform.close()
    await until((stage.home(started.id) / "run" / "exit").exists)
    await stage.again()
    ended = await stage.the(started.id)
    assert ended.exit is not None
    assert (ended.exit.code, ended.exit.expected) == (5, False)
    await until(lambda: not living(started.id))
    await stage.again()
    assert await stage.the(started.id) == ended


async def test_a_stop_that_the_node_did_not_survive_stays_expected(stage: Stage) -> None:
    started = await stage.start("sleep 120")
    await stage.platform.close()
    (stage.home(started.id) / "stopping").write_text("")
    await stage.again()
    assert (await stage.the(started.id)).state is InstanceState.STOPPING
    kill(started.pid, signal.SIGTERM)
    ended = await stage.until_exited(started.id)
    assert ended.exit is not None
    assert ended.exit.expected


async def test_leftovers_of_an_instance_that_died_meanwhile_are_killed(stage: Stage) -> None:
    started = await stage.start("sh -c 'sleep 118.5 & sleep 118.5; true'")
    await until(lambda: len(living("\x00118.5")) == 2)
    await stage.platform.close()
    kill(parent_of(started.pid))
    kill(started.pid)
    await until(lambda: started.pid not in living(started.id))
    await stage.again()
    ended = await stage.the(started.id)
    assert ended.exit is not None
    assert str(ended.exit) == "ended, status unknown"
    await until(lambda: not living("\x00118.5"))


async def test_a_reused_pid_is_neither_adopted_nor_signalled(
    stage: Stage, stranger: subprocess.Popen[bytes]
) -> None:
    await asyncio.sleep(0.05)  # start times are told apart by 10 ms
    started = await stage.start("sleep 120")
    await stage.platform.stop(started.id, GRACE)
    await stage.platform.close()
    home = stage.home(started.id)
    (home / "ended.json").unlink()
    (home / "run" / "exit").unlink()
    record = (home / "run" / "pid").read_text()
    wrapper = record.splitlines()[2].split()[0]
    for old in (str(started.pid), wrapper):  # both numbers now belong to the stranger
        record = record.replace(f"{old} ", f"{stranger.pid} ").replace(
            f"{old}\n", f"{stranger.pid}\n"
        )
    (home / "run" / "pid").write_text(record)
    await stage.again()
    ended = await stage.the(started.id)
    assert ended.state is InstanceState.EXITED
    assert (await stage.platform.stop(started.id, GRACE)) == ended
    await stage.platform.forget(started.id)
    assert stranger.poll() is None


async def test_a_process_of_an_earlier_boot_is_neither_adopted_nor_signalled(
    stage: Stage, stranger: subprocess.Popen[bytes]
) -> None:
    started = await stage.start("sleep 120")
    await stage.platform.stop(started.id, GRACE)
    await stage.platform.close()
    home = stage.home(started.id)
    (home / "ended.json").unlink()
    (home / "run" / "exit").unlink()
    stat = (Path("/proc") / str(stranger.pid) / "stat").read_text().strip()
    (home / "run" / "pid").write_text(f"{stranger.pid}\n{stat}\n{stat}\n.\n")
    intent = (home / "instance.json").read_text().replace(started.boot_id, "earlier boot")
    (home / "instance.json").write_text(intent)
    await stage.again()
    assert (await stage.the(started.id)).state is InstanceState.EXITED
    assert (await stage.platform.stop(started.id, GRACE)).state is InstanceState.EXITED
    assert stranger.poll() is None


async def test_a_start_that_never_happened_is_forgotten_and_can_be_repeated(stage: Stage) -> None:
    started = await stage.start("sleep 120")
    await stage.platform.stop(started.id, GRACE)
    await stage.platform.close()
    home = stage.home(started.id)
    for name in ("ended.json", "stopping", "run/pid", "run/exit"):
        (home / name).unlink()
    await stage.again()
    assert await stage.platform.observe() == ()
    assert (await stage.start("sleep 120")).state is InstanceState.RUNNING


async def test_a_wrapper_whose_start_was_taken_back_never_runs_its_command(stage: Stage) -> None:
    from dreamnet.drivers.platforms.folders import InstanceFolder
    from dreamnet.drivers.platforms.wrapper import Launch, launch

    folder = InstanceFolder(stage.folder / "taken-back")
    folder.path.mkdir()
    folder.open_run()
    touched = stage.folder / "touched"
    command = ("/bin/sh", "-c", f"echo >{touched}")
    pause = Launch("test", folder.run, str(stage.folder), command, {})
    slow = stage.folder / "log"
    with slow.open("ab") as log:
        wrapper = launch(pause, log.fileno())
        kill(wrapper, signal.SIGSTOP)
    if folder.void():  # otherwise the command was faster than the signal
        kill(wrapper, signal.SIGCONT)
        await until(lambda: not living(str(touched)))
        assert not touched.exists()
    else:
        kill(wrapper, signal.SIGCONT)
        await until(touched.exists)
    await until(lambda: not living(str(stage.folder)))


async def test_half_made_folders_are_swept(stage: Stage) -> None:
    await stage.platform.close()
    (stage.folder / "instances" / "shop-1-half").mkdir()
    await stage.again()
    assert await stage.platform.observe() == ()
    assert not (stage.folder / "instances" / "shop-1-half").exists()
