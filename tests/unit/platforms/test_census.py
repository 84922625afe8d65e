"""The census: many who ask share a look, and each sees what was there when it asked."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dreamnet.drivers.platforms import census as census_module
from dreamnet.drivers.platforms.census import MARK, Census, Look, bearers
from dreamnet.kernel.processes import Identity
from dreamnet.model.instances import InstanceId


@contextmanager
def sleeper(**environment: str) -> Iterator[Identity]:
    """A process in a session of its own."""
    code = "print(flush=True); import time; time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, **environment},
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()  # from here on it is itself, no longer a copy of ours
        identity = Identity.of(process.pid)
        assert identity is not None
        yield identity
    finally:
        process.kill()
        process.communicate()


async def test_a_hundred_who_ask_at_once_share_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []

    def look() -> Look:
        looks.append(None)
        return Look({}, {})

    monkeypatch.setattr(census_module, "look_at_everything", look)
    census = Census()
    await asyncio.gather(*(census.everything() for _ in range(100)))
    assert len(looks) == 1
    await census.everything()
    assert len(looks) == 2, "a later question must not get an old answer"


async def test_who_asks_during_a_look_gets_the_next_one() -> None:
    census = Census()
    first = asyncio.ensure_future(census.sessions())
    for _ in range(3):
        await asyncio.sleep(0)  # it has begun
    with sleeper() as process:
        look = await census.sessions()
        assert process in look.sessions[process.pid]
    await first


async def test_a_failed_look_is_told_to_all_and_the_next_one_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[Look | OSError] = [OSError("no file handles left"), Look({}, {})]

    def look() -> Look:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(census_module, "look_at_sessions", look)
    census = Census()
    told = await asyncio.gather(*(census.sessions() for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in told] == [OSError] * 3
    assert await census.sessions() == Look({}, {})


async def test_one_who_gives_up_spoils_nothing_for_the_others() -> None:
    census = Census()
    leaver = asyncio.ensure_future(census.sessions())
    others = [asyncio.ensure_future(census.sessions()) for _ in range(3)]
    await asyncio.sleep(0)
    leaver.cancel()
    looks = await asyncio.gather(*others)
    assert all(look.sessions for look in looks)


@pytest.mark.skipif(sys.platform != "linux", reason="platform: environments are read from /proc")
async def test_marks_are_found_whole() -> None:
    with (
        sleeper(**{MARK: "shop-1-abc"}) as mine,
        sleeper(**{MARK: "shop-1-abcd", "NOT_" + MARK: "x"}),
    ):
        look = await Census().everything()
        assert list(look.marks["shop-1-abc"]) == [mine]
        assert bearers(InstanceId("shop-1-abc")) == (mine,)
        assert "x" not in look.marks
