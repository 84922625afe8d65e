"""The faults of the demonstration, done to any party, and how long each is watched."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from bench.peers.party import Party
from dreamnet.cli.demo.scenes import SCENES
from dreamnet.testing import faults

# Elsewhere there is nobody to kill, or it stands for pid 1, which cannot be killed.
_MORTAL_SUPERVISORS = frozenset({"restart-always", "DreamNet"})
_TARGETS = {scene.name: scene.target for scene in SCENES}


@dataclass(frozen=True)
class Fault:
    """`inject` yields the instant; its cause is there for `lasts_s`, all is watched for `window_s`.

    A hang lasts until every client has lost its patience: what is thawed earlier still answers.
    `useful_starts` is how many starts it takes to mend it.
    """

    name: str
    title: str
    inject: Callable[[Party], AbstractAsyncContextManager[float]]
    window_s: float
    lasts_s: float
    useful_starts: int = 1

    def applies_to(self, party: str) -> bool:
        """False where it cannot be done."""
        return self.target != "node" or party in _MORTAL_SUPERVISORS

    @property
    def length_s(self) -> float:
        """How long it takes in all."""
        return max(self.window_s, self.lasts_s)

    @property
    def target(self) -> str:
        """What is hurt: a slot, a service, `gateway` or `node` (the supervisor)."""
        return _TARGETS[self.name]


@asynccontextmanager
async def _killed(party: Party, target: str, *, group: bool = False) -> AsyncGenerator[float]:
    yield faults.kill(await party.pid_of(target), group=group)


@asynccontextmanager
async def _hung(party: Party, target: str) -> AsyncGenerator[float]:
    async with faults.frozen(await party.pid_of(target)) as began:
        yield began


@asynccontextmanager
async def _erring(party: Party, target: str) -> AsyncGenerator[float]:
    address = f"http://127.0.0.1:{await party.port_of(target)}"
    async with faults.answering_errors(address) as began:
        yield began


@asynccontextmanager
async def _locked(party: Party) -> AsyncGenerator[float]:
    async with faults.locked_database(party.data / "shop.db") as began:
        yield began


@asynccontextmanager
async def _crashing(party: Party, target: str) -> AsyncGenerator[float]:
    async with faults.crashing_at_start(party.data / "crash"):
        yield faults.kill(await party.pid_of(target))


FAULTS = (
    Fault("kill-one", "kill -9, one of two", lambda p: _killed(p, "shop/1"), 5, 0),
    Fault(
        "kill-only",
        "kill -9, the only one",
        lambda p: _killed(p, "httpbin/1", group=True),
        5,
        0,
    ),
    Fault("hang", "a replica hangs", lambda p: _hung(p, "shop/2"), 6.5, 10),
    Fault("errors", "a replica answers 500", lambda p: _erring(p, "shop/1"), 6.5, 6.5),
    Fault("locked", "the database is locked for 5 s", _locked, 8, 5, useful_starts=0),
    Fault("crash-loop", "crash loop for 6 s", lambda p: _crashing(p, "shop/2"), 10, 6),
    Fault("kill-gateway", "kill -9 of Envoy", lambda p: _killed(p, "gateway"), 4, 0),
    Fault("kill-node", "kill -9 of the supervisor", lambda p: _killed(p, "node"), 8, 0),
)
