"""The scenes: what is done to the services, and whose dream is expected to tell of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from dreamnet.cli.demo.stage import Stage, instance_of, pid_of, run_command
from dreamnet.kernel.clock import SystemClock
from dreamnet.testing import faults

# Longer than two probe periods, so that readiness is really lost; shorter than anyone's patience.
LOCKED_S = 5.0


@dataclass(frozen=True)
class Scene:
    """One fault: `inject` yields the monotonic instant at which it began.

    `target` is whose dream is watched; the fault is taken back once that dream `ends` (resolved,
    or escalated when only a person can mend it), or after `lasts_s` seconds where it is given.
    """

    name: str
    title: str
    target: str
    inject: Callable[[Stage], AbstractAsyncContextManager[float]]
    lasts_s: float | None = None
    escalates: bool = False


@asynccontextmanager
async def _killed(stage: Stage, target: str, *, group: bool = False) -> AsyncGenerator[float]:
    yield faults.kill(await pid_of(stage, target), group=group)


@asynccontextmanager
async def _hung(stage: Stage, target: str) -> AsyncGenerator[float]:
    async with faults.frozen(await pid_of(stage, target)) as began:
        yield began


@asynccontextmanager
async def _erring(stage: Stage, target: str) -> AsyncGenerator[float]:
    instance = await instance_of(stage, target)
    async with faults.answering_errors(f"http://127.0.0.1:{instance['port']}") as began:
        yield began


@asynccontextmanager
async def _locked(stage: Stage) -> AsyncGenerator[float]:
    async with faults.locked_database(stage.shop_database) as began:
        yield began


@asynccontextmanager
async def _crash_loop(stage: Stage, target: str) -> AsyncGenerator[float]:
    """Every start exits at once until the cause is gone; then a person restarts the slot."""
    async with faults.crashing_at_start(stage.crash_file):
        yield faults.kill(await pid_of(stage, target))
    service, _, slot = target.partition("/")
    await run_command(stage, "restart", service, "--slot", slot)


SCENES = (
    Scene("kill-one", "kill -9, one of two", "shop/1", lambda s: _killed(s, "shop/1")),
    Scene(
        "kill-only",
        "kill -9, the only one",
        "httpbin/1",
        lambda s: _killed(s, "httpbin/1", group=True),
    ),
    Scene("hang", "a replica hangs", "shop/2", lambda s: _hung(s, "shop/2")),
    Scene("errors", "a replica answers 500", "shop/1", lambda s: _erring(s, "shop/1")),
    Scene("locked", "the database is locked", "shop", _locked, lasts_s=LOCKED_S),
    Scene(
        "crash-loop",
        "crash loop",
        "shop/2",
        lambda s: _crash_loop(s, "shop/2"),
        escalates=True,
    ),
    Scene("kill-gateway", "kill -9 of Envoy", "gateway", lambda s: _killed(s, "gateway")),
    Scene("kill-node", "kill -9 of the node", "node", lambda s: _killed(s, "node")),
)


async def settle(seconds: float) -> float:
    """Let calm traffic flow for some seconds; returns the monotonic instant after it."""
    await asyncio.sleep(seconds)
    return SystemClock().monotonic()
