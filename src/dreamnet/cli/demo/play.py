"""Plays the scenes under real load and measures what each cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from dreamnet.cli.demo.scenes import LOCKED_S, Scene, settle
from dreamnet.cli.demo.stage import Stage, until_ready
from dreamnet.cli.demo.story import Story, follow, last_seq, victim_of, wall_of
from dreamnet.kernel.clock import SystemClock
from dreamnet.testing.loadprocess import LoadProcess
from dreamnet.testing.plan import Kind, Plan

CALM_S = 1.0
SCENE_LIMIT_S = 45.0
RATE_PER_S = 60.0

_ORDER = '{"lines": [{"product": 1, "quantity": 1}]}'
KINDS = (
    Kind("read", "/products", service="shop", host="shop.localhost", weight=8),
    Kind(
        "order",
        "/orders",
        "POST",
        service="shop",
        host="shop.localhost",
        body=_ORDER,
        headers={"Content-Type": "application/json"},
        unique_header="Idempotency-Key",
        idempotent=False,
        weight=1,
    ),
    Kind("get", "/get", service="httpbin", host="httpbin.localhost", weight=4),
)


@dataclass(frozen=True)
class Result:
    """What one scene cost; times in ms after the fault, None for what did not happen.

    `lost_idempotent` and `lost_other` are failed requests that were under way between the fault
    and its proof; `slowest_ms` is the slowest good answer meanwhile.
    """

    name: str
    title: str
    target: str
    symptom: str
    remedies: tuple[str, ...]
    noticed_ms: float | None
    out_ms: float | None
    acted_ms: float | None
    healed_ms: float | None
    verified_ms: float | None
    escalated_ms: float | None
    requests: int
    lost_idempotent: int
    lost_other: int
    slowest_ms: float
    outage_ms: float
    reasons: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return asdict(self)


def plan(stage: Stage, limit_s: float) -> Plan:
    """Return the load of the demonstration: reads, orders and the foreign service."""
    return Plan(
        stage.gateway_url,
        RATE_PER_S,
        KINDS,
        limit_s=limit_s,
        timeout_s=15.0,
        lag_p99_limit_s=0.2,
        lag_max_limit_s=2.0,
    )


async def play(stage: Stage, scene: Scene, load: LoadProcess, say: Callable[[str], None]) -> Result:
    """Play one scene to its end; the stage is calm and whole again afterwards."""
    await until_ready(stage)
    await settle(CALM_S)
    seq = await last_seq(stage)
    sent = load.counts.sent
    victim = await victim_of(stage, scene.target)
    async with scene.inject(stage) as fault_s:
        story = Story(scene.target, wall_of(fault_s), victim)
        say(f"\n[bold]{scene.title}[/bold] ({scene.target})")
        if scene.lasts_s is not None:
            await asyncio.sleep(max(0.0, LOCKED_S - (SystemClock().monotonic() - fault_s)))
        else:
            seq = await _follow(stage, story, seq, _ended(scene), say)
    await _follow(stage, story, seq, lambda told: told.verified_ms is not None, say)
    until_s = await settle(0.5)
    return _result(scene, story, load, (fault_s, until_s, load.counts.sent - sent))


def _ended(scene: Scene) -> Callable[[Story], bool]:
    if scene.escalates:
        return lambda told: told.escalated_ms is not None
    return lambda told: told.verified_ms is not None or told.escalated_ms is not None


async def _follow(
    stage: Stage,
    story: Story,
    seq: int,
    ends: Callable[[Story], bool],
    say: Callable[[str], None],
) -> int:
    if ends(story):
        return seq
    try:
        async with asyncio.timeout(SCENE_LIMIT_S):
            return await follow(stage, story, seq, ends, say)
    except TimeoutError:
        say(f"[red]not finished within {SCENE_LIMIT_S:.0f} s[/red]")
        return seq


def _result(
    scene: Scene, story: Story, load: LoadProcess, window: tuple[float, float, int]
) -> Result:
    since, until, requests = window
    lost = load.lost(since, until)
    idempotent = [record for record in lost if record.idempotent]
    reasons: dict[str, int] = {}
    for record in lost:
        reasons[record.reason] = reasons.get(record.reason, 0) + 1
    outage = max((record.ended for record in lost), default=since) - since
    return Result(
        name=scene.name,
        title=scene.title,
        target=scene.target,
        symptom=story.symptom,
        remedies=tuple(story.remedies),
        noticed_ms=story.noticed_ms,
        out_ms=story.out_ms,
        acted_ms=story.acted_ms,
        healed_ms=story.healed_ms,
        verified_ms=story.verified_ms,
        escalated_ms=story.escalated_ms,
        requests=requests,
        lost_idempotent=len(idempotent),
        lost_other=len(lost) - len(idempotent),
        slowest_ms=load.slowest_s(since, until) * 1000,
        outage_ms=outage * 1000,
        reasons=reasons,
    )
