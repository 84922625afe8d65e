"""The party that is DreamNet, watched through its own ledger."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from bench.peers.party import Sight
from dreamnet.cli.demo.stage import (
    Stage,
    ask,
    instance_of,
    pid_of,
    prepare,
    run_command,
    until_ready,
)
from dreamnet.cli.demo.story import Story, last_seq, rows_after, victim_of, wall_of
from dreamnet.client import ClientError
from dreamnet.root import living_root
from dreamnet.testing.instant import now

# Faults come every few seconds here: without this the fifth within ten minutes would count as
# flapping. The others forget the past after each fault, too. Everything else is the default.
HEAL = "flap_limit = 1000"
CALM_LIMIT_S = 20.0
WAITING = frozenset({"diagnosing", "escalated"})
STARTING = frozenset({"start", "restart", "replace"})


class Ours:
    """A DreamNet node as `dreamnet demo` sets it up, with the default back-off."""

    name = "DreamNet"

    def __init__(self, folder: Path) -> None:
        self._stage: Stage = prepare(folder, print, HEAL)
        self._seq = 0
        self._victim = ""

    @property
    def gunicorn(self) -> Path:
        """The program that runs httpbin; everybody uses the same."""
        return self._stage.folder / "httpbin" / ".venv" / "bin" / "gunicorn"

    @property
    def gateway_url(self) -> str:
        """Where the load goes."""
        return self._stage.gateway_url

    @property
    def data(self) -> Path:
        """The folder with the shop's database and its crash file."""
        return self._stage.shop_database.parent

    async def open(self) -> None:
        """Start everything and wait until it serves."""
        await run_command(self._stage, "up", "--detach")
        await until_ready(self._stage)

    async def close(self) -> None:
        """End everything."""
        await run_command(self._stage, "down")

    async def pid_of(self, target: str) -> int:
        """The pid of a slot, of `gateway`, or of the `node`."""
        return await pid_of(self._stage, target)

    async def port_of(self, target: str) -> int:
        """The port at which a slot listens itself."""
        return int((await instance_of(self._stage, target))["port"])

    async def aim(self, target: str) -> None:
        """Remember the victim and where the ledger ends."""
        self._seq = await last_seq(self._stage)
        self._victim = await victim_of(self._stage, target)

    async def watch(self, target: str, began: float, until: float) -> Sight:
        """Read the ledger as it is written."""
        story = Story(target, wall_of(began), self._victim)
        rows: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(max(0.0, until - now())):
                async for row in rows_after(self._stage, self._seq):
                    story.take(row)
                    rows.append(row)
        except TimeoutError:
            pass
        await self._note_notice(story)
        window_ms = (until - began) * 1000
        signs = [ms for ms in (story.noticed_ms, story.out_ms) if ms is not None]
        whole = story.healed_ms
        return Sight(
            noticed=min(signs) / 1000 if signs and min(signs) < window_ms else None,
            whole=whole / 1000 if whole is not None and whole < window_ms else None,
            starts=tuple(began + story.after_ms(row["at"]) / 1000 for row in _starts(rows)),
        )

    async def reset(self, target: str) -> None:
        """Restart by hand what waits in its back-off; then nothing may be going on any more."""
        await self._until_it_answers()
        waiting = [one["target"] for one in await self._live() if one["phase"] in WAITING]
        if "/" in target and target in waiting:
            service, _, slot = target.partition("/")
            await run_command(self._stage, "restart", service, "--slot", slot)
        await until_ready(self._stage)
        async with asyncio.timeout(CALM_LIMIT_S):
            while await self._live():
                await asyncio.sleep(0.2)

    async def machinery(self) -> list[int]:
        """Root, node, Envoy and the waiting room."""
        root = living_root(self._stage.data_dir)
        parts = [await self.pid_of(part) for part in ("node", "gateway", "room")]
        return [root, *parts] if root else parts

    async def _note_notice(self, story: Story) -> None:
        """Ask when the dream's first fact was seen; a node that is away leaves it open."""
        if story.dream:
            with contextlib.suppress(ClientError):
                story.note_dream(await ask(self._stage, f"/api/dreams/{story.dream}"))

    async def _until_it_answers(self) -> None:
        """A node that was killed may not be back yet."""
        async with asyncio.timeout(CALM_LIMIT_S):
            while True:
                with contextlib.suppress(ClientError):
                    await self._live()
                    return
                await asyncio.sleep(0.1)

    async def _live(self) -> list[dict[str, Any]]:
        return list((await ask(self._stage, "/api/dreams", live=True))["dreams"])


def _starts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ledger rows that say that a process was started."""
    return [row for row in rows if row["kind"] == "node-started" or _starts_one(row)]


def _starts_one(row: dict[str, Any]) -> bool:
    return row["kind"] == "action-permitted" and row["body"]["verb"] in STARTING
