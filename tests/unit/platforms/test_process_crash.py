"""kill -9 of the node at any moment of a start: every key ends up running exactly once."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from platform_nodes import start
from platform_stage import kill, living, opened, until

from dreamnet.model.instances import InstanceState

_KILLS = 15
_LONGEST_S = 0.05


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("platform_nodes.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
    for pid in living(f"NURSERY={tmp_path}"):
        kill(pid)  # only after a failure


async def _kill_a_node(
    nursery: subprocess.Popen[str], folder: Path, keys: list[str], after_s: float
) -> None:
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{folder} {' '.join(keys)}\n")
    nursery.stdin.flush()
    pid = int(await asyncio.to_thread(nursery.stdout.readline))
    await asyncio.sleep(after_s)
    kill(pid)


def _applications(folder: Path) -> list[int]:
    """Return the running applications; one that still is on its way is yet a shell."""
    ours = set(living(f"NURSERY={folder}")) & set(living("sleep\x00300"))
    return sorted(ours - set(living("/bin/sh\x00-c")))


async def _take_over(folder: Path, keys: list[str]) -> int:
    """Return how many of the keys the killed node had started."""
    platform = await opened(folder)
    found = {each.key: each for each in await platform.observe()}
    started = [await platform.start(start(folder, n), key) for n, key in enumerate(keys)]
    assert {each.state for each in started} == {InstanceState.RUNNING}
    assert all(found[each.key].pid == each.pid for each in started if each.key in found)
    pids = [each.pid for each in started]
    assert len(await platform.observe()) == len(set(pids)) == len(keys)
    await until(lambda: _applications(folder) == sorted(pid for pid in pids if pid))
    for each in started:
        await platform.stop(each.id, timedelta(seconds=2))
        await platform.forget(each.id)
    await platform.close()
    return len(found)


async def test_every_key_runs_once_however_the_node_dies(
    nursery: subprocess.Popen[str], tmp_path: Path
) -> None:
    chance = random.Random(2026)
    found: list[int] = []
    for number in range(_KILLS):
        keys = [f"round-{number}-{each}" for each in range(3)]
        await _kill_a_node(nursery, tmp_path, keys, chance.uniform(0, _LONGEST_S))
        found.append(await _take_over(tmp_path, keys))
        await until(lambda: not living(f"NURSERY={tmp_path}"))
    assert len(set(found)) > 1, f"the kills hit no start on its way: {found}"
