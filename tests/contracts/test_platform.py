"""What every platform promises, asked of real processes and of our own fake."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from dreamnet.drivers.platforms.base import Platform, Start
from dreamnet.drivers.platforms.process import ProcessPlatform
from dreamnet.kernel.clock import SystemClock
from dreamnet.kernel.deaths import Deaths, PidfdDeaths, PollingDeaths
from dreamnet.kernel.errors import NotFound
from dreamnet.model.instances import Instance, InstanceId, InstanceState
from dreamnet.model.services import ServiceName, ServiceSpec, Slot
from dreamnet.testing.platform import FakeMachine, FakePlatform

SERVE = "sleep 120"
TALK = "sh -c 'echo one; echo two; echo three; exec sleep 120'"
IMPOSSIBLE = "no-such-command --port $PORT"
GRACE = timedelta(seconds=5)
VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@dataclass
class Stage:
    """A platform under test and the few things only its world can do."""

    platform: Platform
    folder: Path
    kill: Callable[[Instance], Awaitable[None]]
    successor: Callable[[], Platform]

    async def again(self) -> None:
        """Let a second node take over from the first."""
        await self.platform.close()
        self.platform = self.successor()
        await self.platform.open()

    async def start(self, run: str = SERVE, key: str = "first", slot: int = 1) -> Instance:
        spec = ServiceSpec(name=ServiceName("shop"), folder=str(self.folder), run=run)
        return await self.platform.start(Start(spec, Slot(slot), VARIABLES), key)

    async def the(self, instance: InstanceId) -> Instance:
        return next(each for each in await self.platform.observe() if each.id == instance)


def fake_stage(folder: Path) -> Stage:
    machine = FakeMachine(
        impossible={IMPOSSIBLE: 'command not found: "no-such-command"'},
        output={TALK: ("one", "two", "three")},
    )

    async def kill(instance: Instance) -> None:
        platform = stage.platform
        assert isinstance(platform, FakePlatform)
        await platform.die(instance.id, signal=signal.SIGKILL)

    def make() -> FakePlatform:
        return FakePlatform(SystemClock(), machine)

    stage = Stage(make(), folder, kill, make)
    return stage


def process_stage(folder: Path, deaths: Deaths) -> Stage:
    async def kill(instance: Instance) -> None:
        assert instance.pid is not None
        os.kill(instance.pid, signal.SIGKILL)

    def make() -> ProcessPlatform:
        return ProcessPlatform(folder / "instances", SystemClock(), deaths)

    return Stage(make(), folder, kill, make)


@pytest.fixture(params=["pidfd", "polling", "fake"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    if request.param == "pidfd" and not hasattr(os, "pidfd_open"):
        pytest.skip("this system has no pidfd_open")
    made = {
        "pidfd": lambda: process_stage(tmp_path, PidfdDeaths()),
        "polling": lambda: process_stage(tmp_path, PollingDeaths()),
        "fake": lambda: fake_stage(tmp_path),
    }[request.param]()
    await made.platform.open()
    yield made
    for instance in await made.platform.observe():
        await made.platform.stop(instance.id, timedelta(0))
    await made.platform.close()


async def until_exited(changes: AsyncIterator[Instance], instance: InstanceId) -> Instance:
    async with asyncio.timeout(10):
        async for each in changes:
            if each.id == instance and each.state is InstanceState.EXITED:
                return each
    raise AssertionError("the changes ended")


async def test_a_started_instance_runs_and_is_observed(stage: Stage) -> None:
    started = await stage.start()
    assert started.state is InstanceState.RUNNING
    assert started.target == "shop/1"
    assert started.key == "first"
    assert started.port > 0
    assert started.pid is not None
    assert await stage.platform.observe() == (started,)


async def test_a_key_starts_once(stage: Stage) -> None:
    first = await stage.start(key="same")
    assert await stage.start(key="same") == first
    assert len(await stage.platform.observe()) == 1


async def test_a_key_asked_for_at_once_starts_once(stage: Stage) -> None:
    started = await asyncio.gather(*(stage.start(key="same") for _ in range(5)))
    assert len({instance.pid for instance in started}) == 1
    assert len(await stage.platform.observe()) == 1


async def test_other_keys_start_others_on_other_ports(stage: Stage) -> None:
    started = [await stage.start(key=f"key {n}", slot=n) for n in range(3)]
    assert len({instance.id for instance in started}) == 3
    assert len({instance.port for instance in started}) == 3


async def test_a_key_whose_instance_has_ended_does_not_start_again(stage: Stage) -> None:
    started = await stage.start()
    ended = await stage.platform.stop(started.id, GRACE)
    assert await stage.start() == ended


async def test_changes_tell_of_start_and_death(stage: Stage) -> None:
    changes = stage.platform.watch()
    started = await stage.start()
    first = await anext(aiter(changes))
    assert (first.id, first.state) == (started.id, InstanceState.RUNNING)
    await stage.kill(started)
    ended = await until_exited(changes, started.id)
    assert ended.exit is not None
    assert ended.exit.signal == signal.SIGKILL
    assert not ended.exit.expected


async def test_every_subscriber_hears_of_a_death(stage: Stage) -> None:
    several = [stage.platform.watch() for _ in range(3)]
    started = await stage.start()
    await stage.kill(started)
    for changes in several:
        assert (await until_exited(changes, started.id)).id == started.id


async def test_a_slow_subscriber_gets_the_latest_state(stage: Stage) -> None:
    changes = stage.platform.watch()
    started = await stage.start()
    await stage.platform.stop(started.id, GRACE)
    assert (await anext(aiter(changes))).state is InstanceState.EXITED


async def test_a_stop_is_an_expected_end(stage: Stage) -> None:
    started = await stage.start()
    ended = await stage.platform.stop(started.id, GRACE)
    assert ended.state is InstanceState.EXITED
    assert ended.exit is not None
    assert ended.exit.expected
    assert ended.exit.signal == signal.SIGTERM


async def test_stops_at_once_are_one_and_a_later_one_returns_the_same(stage: Stage) -> None:
    started = await stage.start()
    stops = (stage.platform.stop(started.id, GRACE) for _ in range(3))
    ends = await asyncio.gather(*stops)
    assert len({end.model_dump_json() for end in ends}) == 1
    assert await stage.platform.stop(started.id, GRACE) == ends[0]


async def test_what_can_never_run_is_an_exited_instance_with_a_reason(stage: Stage) -> None:
    refused = await stage.start(run=IMPOSSIBLE)
    assert refused.state is InstanceState.EXITED
    assert refused.exit is not None
    assert "no-such-command" in refused.exit.reason
    assert await stage.start(run=IMPOSSIBLE) == refused
    assert await stage.platform.observe() == (refused,)


async def test_forgetting_drops_an_ended_instance_and_keeps_its_log(stage: Stage) -> None:
    started = await stage.start(run=TALK)
    await wait_for_lines(stage, started.id, 3)
    await stage.platform.forget(started.id)
    assert len(await stage.platform.observe()) == 1, "a running instance is not forgotten"
    await stage.platform.stop(started.id, GRACE)
    await stage.platform.forget(started.id)
    await stage.platform.forget(started.id)
    assert await stage.platform.observe() == ()
    assert await log_of(stage, started.id) == ["one", "two", "three"]


async def test_unknown_instances(stage: Stage) -> None:
    unknown = InstanceId("shop-1-unknown")
    await stage.platform.forget(unknown)
    assert await stage.platform.usage(unknown) is None
    with pytest.raises(NotFound, match="shop-1-unknown"):
        await stage.platform.stop(unknown, GRACE)
    with pytest.raises(NotFound, match="shop-1-unknown"):
        stage.platform.logs(unknown, lines=1, follow=False)


async def test_logs_give_the_last_lines_and_follow_until_the_end(stage: Stage) -> None:
    started = await stage.start(run=TALK)
    await wait_for_lines(stage, started.id, 3)
    assert await log_of(stage, started.id, lines=2) == ["two", "three"]
    assert await log_of(stage, started.id, lines=0) == []
    follower = stage.platform.logs(started.id, lines=1, follow=True)
    assert await anext(follower) == "three"
    await stage.platform.stop(started.id, GRACE)
    assert [line async for line in follower] == []


async def test_usage_of_a_running_and_of_an_ended_instance(stage: Stage) -> None:
    started = await stage.start()
    used = await stage.platform.usage(started.id)
    assert used is not None
    assert used.rss_bytes > 0
    await stage.platform.stop(started.id, GRACE)
    assert await stage.platform.usage(started.id) is None


async def test_a_second_node_sees_what_the_first_left(stage: Stage) -> None:
    living, ended = await stage.start(key="living"), await stage.start(key="ended", slot=2)
    ended = await stage.platform.stop(ended.id, GRACE)
    await stage.again()
    assert sorted(await stage.platform.observe(), key=lambda each: each.slot) == [living, ended]
    assert await stage.start(key="living") == living
    changes = stage.platform.watch()
    await stage.kill(living)
    assert (await until_exited(changes, living.id)).exit is not None


async def test_closing_ends_the_changes_and_leaves_instances_alone(stage: Stage) -> None:
    started = await stage.start()
    changes = stage.platform.watch()
    await stage.again()
    assert [each async for each in changes] == []
    assert (await stage.the(started.id)).state is InstanceState.RUNNING


async def log_of(stage: Stage, instance: InstanceId, lines: int = 100) -> list[str]:
    return [line async for line in stage.platform.logs(instance, lines=lines, follow=False)]


async def wait_for_lines(stage: Stage, instance: InstanceId, count: int) -> None:
    async with asyncio.timeout(10):
        while len(await log_of(stage, instance)) < count:
            await asyncio.sleep(0.02)
