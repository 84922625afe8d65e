"""The story of one scene, read from the node's ledger as it is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dreamnet.cli.demo.stage import Stage, ask, instance_of
from dreamnet.client import ClientError
from dreamnet.kernel.clock import SystemClock

LOOK_EVERY_S = 0.1


@dataclass
class Story:
    """When what happened to a target, in milliseconds after the fault; None: it did not."""

    target: str
    began: datetime
    victim: str = ""
    lines: list[str] = field(default_factory=list[str])
    dream: str = ""
    symptom: str = ""
    noticed_ms: float | None = None
    out_ms: float | None = None
    acted_ms: float | None = None
    healed_ms: float | None = None
    verified_ms: float | None = None
    escalated_ms: float | None = None
    remedies: list[str] = field(default_factory=list[str])
    messages: list[str] = field(default_factory=list[str])

    def take(self, row: dict[str, Any]) -> str | None:
        """Take in one ledger row; returns the line to print, None when it belongs elsewhere."""
        after_ms = self.after_ms(row["at"])
        if after_ms < 0:
            return None
        words = self._words(row, after_ms)
        if words is None:
            return None
        line = f"+{after_ms:7.0f} ms  {words}"
        self.lines.append(line)
        return line

    def note_dream(self, dream: dict[str, Any]) -> None:
        """Take over when the dream's first fact was seen."""
        self.noticed_ms = self.after_ms(dream["noticed"])

    def after_ms(self, at: str) -> float:
        """Return how long after the fault a ledger's instant was."""
        return (datetime.fromisoformat(at) - self.began).total_seconds() * 1000

    def _words(self, row: dict[str, Any], after_ms: float) -> str | None:
        body, kind = row["body"], row["kind"]
        if kind == "message":
            return self._message(body)
        if kind == "traffic":
            return self._traffic(row["subject"], body, after_ms)
        if row["subject"] != self.target:
            return None
        if kind == "dream":
            return self._dream(body, after_ms)
        if kind == "action-permitted":
            self.acted_ms = self.acted_ms or after_ms
            self.remedies.append(body["verb"])
            return f"desk     lets out {body['verb']} {self.target}"
        if kind == "node-started":
            self.healed_ms = after_ms
            return "node     a new one has adopted everything"
        if kind == "action-succeeded":
            if not self.victim:
                self.healed_ms = after_ms
            return f"action   {body['detail']}"
        return f"action   {kind.removeprefix('action-')}: {body.get('detail', '')}"

    def _traffic(self, service: str, body: dict[str, Any], after_ms: float) -> str | None:
        """Out is when the victim gets nothing more, healed when all that is wanted serves."""
        if service != self.target.partition("/")[0]:
            return None
        serving: list[str] = body["serving"]
        if self.victim and self.victim not in serving:
            self.out_ms = self.out_ms or after_ms
            if len(serving) >= body["wanted"]:
                self.healed_ms = after_ms
        return f"traffic  {len(serving)} of {body['wanted']} instances of {service} serve"

    def _message(self, body: dict[str, Any]) -> str | None:
        if body.get("payload", {}).get("target") != self.target:
            return None
        words = f"{body['sender']} → {body['to']}: {body['message']}"
        self.messages.append(words)
        return f"message  {words}"

    def _dream(self, body: dict[str, Any], after_ms: float) -> str:
        self.dream = body["dream"]
        self.symptom = body["symptom"]
        if body["phase"] == "resolved":
            self.verified_ms = after_ms
        if body["phase"] == "escalated":
            self.escalated_ms = self.escalated_ms or after_ms
        return f"dream    {body['phase']}: {body['words']}"


def wall_of(instant_s: float) -> datetime:
    """Return the wall time of an instant of CLOCK_MONOTONIC."""
    clock = SystemClock()
    return clock.now() - timedelta(seconds=clock.monotonic() - instant_s)


async def last_seq(stage: Stage) -> int:
    """Return the number of the newest ledger row."""
    rows = (await ask(stage, "/api/ledger", limit=1))["rows"]
    return int(rows[-1]["seq"]) if rows else 0


async def rows_after(stage: Stage, seq: int) -> AsyncGenerator[dict[str, Any]]:
    """Yield ledger rows as they are written; a node that is away is waited for."""
    while True:
        try:
            rows: list[dict[str, Any]] = (await ask(stage, "/api/ledger", after=seq, limit=200))[
                "rows"
            ]
        except ClientError:
            rows = []
        for row in rows:
            seq = int(row["seq"])
            yield row
        if not rows:
            await asyncio.sleep(LOOK_EVERY_S)


async def victim_of(stage: Stage, target: str) -> str:
    """Return the instance that serves a slot now; empty for what is not a slot."""
    if "/" not in target:
        return ""
    return str((await instance_of(stage, target))["id"])


async def follow(
    stage: Stage, story: Story, seq: int, ends: Callable[[Story], bool], say: Callable[[str], None]
) -> int:
    """Tell the story line by line until it `ends`; returns the last row's number."""
    rows = rows_after(stage, seq)
    try:
        async for row in rows:
            seq = int(row["seq"])
            line = story.take(row)
            if line is not None:
                await _notice(stage, story)
                say(line)
            if ends(story):
                break
    finally:
        await rows.aclose()
    return seq


async def _notice(stage: Stage, story: Story) -> None:
    if story.dream and story.noticed_ms is None:
        try:
            story.note_dream(await ask(stage, f"/api/dreams/{story.dream}"))
        except ClientError:
            return
