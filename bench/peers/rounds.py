"""All parties side by side, round after round, so that noise of the machine hits all alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers.cost import costs
from bench.peers.faults import FAULTS, Fault
from bench.peers.journal import Journal, Notebook
from bench.peers.ours import Ours
from bench.peers.outcome import Outcome
from bench.peers.party import PARTIES, Party
from bench.peers.peer import Peer
from bench.peers.policy import POLICIES, SYSTEMD
from bench.peers.scene import CLIENT_PATIENCE_S, play
from dreamnet.cli.demo.play import KINDS
from dreamnet.client import ClientError
from dreamnet.kernel.errors import DreamNetError
from dreamnet.testing.faults import FaultFailed
from dreamnet.testing.instant import now
from dreamnet.testing.loadprocess import LoadProcess
from dreamnet.testing.plan import Plan

RATE_PER_S = 40.0
# From the end of one window to the next fault: room to mend and to calm down.
PAUSE_S = 4.0
TRIES = 3
STAGGER_S = 1.8
LONGEST_S = 3 * 3600.0
COST_STRETCH_S = 6.0
COST_REPEATS = 5


@dataclass(frozen=True)
class Job:
    """One fault of one round, due so many seconds after the start."""

    number: int
    fault: Fault
    due_s: float


def jobs(rounds: int) -> list[Job]:
    """Everything that one party has to go through, on a timetable that all share."""
    return _timetable((number, fault) for number in range(1, rounds + 1) for fault in FAULTS)


def remaining(listed: Sequence[Job], journal: Journal) -> list[Job]:
    """The jobs that some party still has to do, on a timetable of their own."""
    return _timetable(
        (job.number, job.fault)
        for job in listed
        if any(_is_open(job, party, journal) for party in PARTIES)
    )


def _timetable(pairs: Iterable[tuple[int, Fault]]) -> list[Job]:
    due_s, listed = 0.0, list[Job]()
    for number, fault in pairs:
        listed.append(Job(number, fault, due_s))
        due_s += fault.length_s + PAUSE_S
    return listed


def unmeasured(listed: Sequence[Job], journal: Journal) -> list[str]:
    """What is missing in the journal, in words."""
    return [
        f"{party} {job.fault.name} {job.number}"
        for job in listed
        for party in PARTIES
        if _is_open(job, party, journal)
    ]


def _is_open(job: Job, party: str, journal: Journal) -> bool:
    known = journal.has(job.number, job.fault.name, party)
    return not known and job.fault.applies_to(party)


async def run(folder: Path, rounds: int, notebook: Notebook) -> None:
    """Measure what is not in the notebook yet."""
    async with stages(folder) as parties, AsyncExitStack() as stack:
        if not notebook.costs:
            for _ in range(COST_REPEATS):
                notebook.costs += await costs(parties, COST_STRETCH_S, loaded=False)
        loads = [await stack.enter_async_context(LoadProcess(_plan(one))) for one in parties]
        if not any(cost.loaded for cost in notebook.costs):
            for _ in range(COST_REPEATS):
                notebook.costs += await costs(parties, COST_STRETCH_S, loaded=True)
            notebook.write()
        left = remaining(jobs(rounds), notebook.journal)
        print(f"{len(left)} faults for {len(parties)} parties, {_length(left)}", flush=True)
        async with asyncio.TaskGroup() as group:
            for place, (party, load) in enumerate(zip(parties, loads, strict=True)):
                turn = Turn(party, load, now() + place * STAGGER_S)
                group.create_task(turn.take(left, notebook.journal))
        for load in loads:
            notebook.doubts += (await load.stop()).doubts
        notebook.write()


@asynccontextmanager
async def stages(folder: Path) -> AsyncGenerator[list[Party]]:
    """All parties, serving, for as long as the block lasts."""
    ours = await asyncio.to_thread(Ours, folder / "dreamnet")
    peers = [
        *(Peer(policy, folder / policy.name, ours.gunicorn) for policy in POLICIES.values()),
        Peer(SYSTEMD, folder / "careful", ours.gunicorn, care=True),
    ]
    async with AsyncExitStack() as stack:
        for party in (*peers, ours):
            stack.push_async_callback(party.close)
            await party.open()
            print(f"{party.name} serves at {party.gateway_url}", flush=True)
        yield [*peers, ours]


@dataclass(frozen=True)
class Turn:
    """One party on its way through the timetable, which began for it at `began`."""

    party: Party
    load: LoadProcess
    began: float

    async def take(self, listed: Sequence[Job], journal: Journal) -> None:
        """Play every job that is not in the journal, each at its time or as soon as possible."""
        for job in listed:
            if not _is_open(job, self.party.name, journal):
                continue
            await asyncio.sleep(max(0.0, self.began + job.due_s - now()))
            for _ in range(TRIES):
                if await self._played(job, journal):
                    break

    async def _played(self, job: Job, journal: Journal) -> bool:
        try:
            outcome = await play(self.party, job.fault, self.load, job.number)
        except (FaultFailed, DreamNetError, ClientError, OSError) as error:
            print(f"{self.party.name}: {job.fault.name}: {error!r}; once more", flush=True)
            await self._renew()
            return False
        journal.add(outcome)
        print(f"{job.number:3} {_words(outcome)}", flush=True)
        return True

    async def _renew(self) -> None:
        """Begin with a new stage; if that fails, too, the next try tells."""
        try:
            await self.party.close()
            await self.party.open()
        except (DreamNetError, ClientError, OSError) as error:
            print(f"{self.party.name} does not come up: {error!r}", flush=True)


def _plan(party: Party) -> Plan:
    return Plan(
        party.gateway_url,
        RATE_PER_S,
        KINDS,
        limit_s=LONGEST_S,
        timeout_s=CLIENT_PATIENCE_S,
        lag_p99_limit_s=0.2,
        lag_max_limit_s=2.0,
    )


def _length(left: Sequence[Job]) -> str:
    minutes = sum(job.fault.length_s + PAUSE_S for job in left) / 60
    return f"about {minutes:.0f} min"


def _words(outcome: Outcome) -> str:
    times = {"noticed": outcome.noticed, "served": outcome.served, "whole": outcome.whole}
    words = (f"{what} {_seconds(value)}" for what, value in times.items())
    lost = f"lost {outcome.lost_idempotent}+{outcome.lost_other} of {outcome.requests}"
    return f"{outcome.fault:13}{outcome.party:16}{'  '.join(words)}  {lost}  vain {outcome.vain}"


def _seconds(value: float | None) -> str:
    return " never" if value is None else f"{value:6.3f}"
