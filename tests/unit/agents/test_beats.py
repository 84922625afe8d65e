"""RelayBot's heartbeat: sent while the node can heal, retried, told when nobody hears it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from rig import Rig, rig

from dreamnet.agents import beats as module
from dreamnet.agents.beats import BeatParts, Beats
from dreamnet.agents.keeper import Ticks, run_keeper
from dreamnet.agents.relaybot import RelayBot
from dreamnet.domain.dreams.dream import Phase
from dreamnet.kernel.errors import Unavailable
from dreamnet.kernel.tasks import Tasks
from dreamnet.model.facts import BeatOutcome, HeartbeatTold

MINUTE = timedelta(minutes=1)


@dataclass
class Outer:
    """Whoever hears the beats; away when a test says so."""

    heard: int = 0
    away: bool = False

    async def beat(self) -> None:
        if self.away:
            raise Unavailable("connection refused")
        self.heard += 1


@dataclass
class Stage:
    here: Rig
    outer: Outer
    ticks: Ticks
    beats: Beats
    told: list[HeartbeatTold] = field(default_factory=list)

    async def pass_time(self, seconds: float, *, ticking: bool = True) -> float:
        """Let time pass, everyone tick and the heart beat; returns the pause until the next."""
        await self.here.beat(seconds)
        if ticking:
            self.ticks.ticked("dreamkeeper")
        pause_s = await self.beats.beat()
        await self.here.beat()
        return pause_s

    @property
    def outcome(self) -> BeatOutcome:
        return self.told[-1].outcome

    async def phases(self) -> list[Phase]:
        found = await self.here.dreams()
        return [one.phase for one in found if one.target == "heartbeat"]


@asynccontextmanager
async def beating(folder: Path) -> AsyncGenerator[Stage]:
    async with rig(folder) as here:
        told: list[HeartbeatTold] = []

        def publish(fact: HeartbeatTold) -> None:
            told.append(fact)
            here.world.apply(fact)

        outer, ticks = Outer(), Ticks(here.clock)
        ticks.expect("dreamkeeper")
        parts = BeatParts(outer, here.store, ticks, publish, here.clock, MINUTE)
        here.world.outside.beat(MINUTE)
        yield Stage(here, outer, ticks, Beats(parts), told)


async def test_it_beats_once_an_interval_halted_or_not(tmp_path: Path) -> None:
    async with beating(tmp_path) as stage:
        assert await stage.pass_time(1) == 60.0
        stage.here.halt_file.touch()  # halted on purpose is alive
        assert await stage.pass_time(60) == 60.0
        assert (stage.outer.heard, stage.outcome) == (2, BeatOutcome.DELIVERED)
        assert await stage.phases() == []


async def test_a_node_whose_agents_stall_says_nothing(tmp_path: Path) -> None:
    async with beating(tmp_path) as stage:
        await stage.pass_time(1)
        assert await stage.pass_time(16, ticking=False) == module.FIRST_PAUSE_S
        assert (stage.outer.heard, stage.outcome) == (1, BeatOutcome.WITHHELD)
        assert "dreamkeeper" in stage.told[-1].output
        await stage.pass_time(1)
        assert stage.outer.heard == 2
        assert await stage.phases() == []


async def test_a_store_that_takes_no_write_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with beating(tmp_path) as stage:
        await stage.pass_time(1)

        async def full(work: object) -> None:
            raise Unavailable("the disk is full")

        monkeypatch.setattr(stage.here.store, "tx", full)
        stage.here.clock.advance(timedelta(seconds=16))
        stage.ticks.ticked("dreamkeeper")
        await stage.beats.beat()
        assert (stage.outer.heard, stage.outcome) == (1, BeatOutcome.WITHHELD)
        assert "store" in stage.told[-1].output


async def test_a_store_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with beating(tmp_path) as stage:
        monkeypatch.setattr(module, "WRITE_LIMIT_S", 0.05)

        async def hang(work: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(stage.here.store, "tx", hang)
        stage.ticks.ticked("dreamkeeper")
        await asyncio.wait_for(stage.beats.beat(), 5)
        assert (stage.outer.heard, stage.outcome) == (0, BeatOutcome.WITHHELD)


async def test_a_lost_beat_is_retried_with_back_off(tmp_path: Path) -> None:
    async with beating(tmp_path) as stage:
        stage.outer.away = True
        pauses = [await stage.pass_time(1) for _ in range(9)]
        assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        stage.outer.away = False
        assert await stage.pass_time(1) == 60.0
        stage.outer.away = True
        assert await stage.pass_time(1) == 1.0


async def test_after_a_while_a_person_is_told_and_it_resolves_by_itself(tmp_path: Path) -> None:
    async with beating(tmp_path) as stage:
        await stage.pass_time(1)
        stage.outer.away = True
        await stage.pass_time(60)
        await stage.pass_time(179)
        assert await stage.phases() == []
        await stage.pass_time(1)
        assert await stage.phases() == [Phase.ESCALATED]
        assert "it cannot be delivered: connection refused" in (await stage.here.stories())[0]
        stage.outer.away = False
        for _ in range(3):
            assert await stage.phases() == [Phase.ESCALATED]
            await stage.pass_time(60)
        assert await stage.phases() == [Phase.RESOLVED]
        actions = await stage.here.actions()
        assert not [one for one in actions if one.proposal.target == "heartbeat"]


async def test_keepers_are_expected_and_their_ticks_heard(tmp_path: Path) -> None:
    async with rig(tmp_path) as here:
        ticks = Ticks(here.clock)
        async with Tasks("test") as tasks:
            run_keeper(tasks, "relaybot", here.relaybot, ticks)
            assert ticks.ended() == {"relaybot": None}
            async with asyncio.timeout(5):
                while ticks.ended()["relaybot"] is None:
                    await asyncio.sleep(0.01)


async def test_it_is_relaybot_that_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    async with beating(tmp_path) as stage:
        stage.ticks.ticked("dreamkeeper")
        relaybot = RelayBot(stage.here.store, stage.here.clock, "node-1", stage.beats)
        mute = RelayBot(stage.here.store, stage.here.clock, "node-1")
        async with Tasks("test") as tasks, asyncio.timeout(5):
            tasks.loop("heartbeat", relaybot.beat)
            tasks.loop("none", mute.beat)
            while not stage.outer.heard:
                await asyncio.sleep(0.01)
