"""Plays one fault for one party and measures what it cost."""

from __future__ import annotations

import asyncio

from bench.peers.faults import Fault
from bench.peers.outcome import Outcome, lost_within, served_again, starts_in_vain
from bench.peers.party import Party, Sight
from dreamnet.testing.instant import now
from dreamnet.testing.loadprocess import LoadProcess

# A client of the comparison waits so long for an answer.
CLIENT_PATIENCE_S = 3.0
_SLACK_S = 0.1


async def play(party: Party, fault: Fault, load: LoadProcess, number: int) -> Outcome:
    """Hurt, watch, mend; the party is whole and calm again afterwards."""
    await party.aim(fault.target)
    sent = load.counts.sent
    async with fault.inject(party) as began:
        until = began + fault.window_s
        watching = asyncio.create_task(party.watch(fault.target, began, until - _SLACK_S))
        try:
            await _sleep_until(began + fault.lasts_s)
        except BaseException:
            watching.cancel()
            raise
    sight = await watching
    await _sleep_until(until)
    requests = load.counts.sent - sent
    await party.reset(fault.target)
    await _sleep_until(until + CLIENT_PATIENCE_S + _SLACK_S)
    return _outcome(fault, sight, load, (number, party.name, began, requests))


def _outcome(
    fault: Fault, sight: Sight, load: LoadProcess, scene: tuple[int, str, float, int]
) -> Outcome:
    number, party, began, requests = scene
    until = began + fault.window_s
    lost = lost_within(load.losses.records, began, until)
    idempotent = sum(1 for record in lost if record.idempotent)
    return Outcome(
        round=number,
        fault=fault.name,
        party=party,
        noticed=sight.noticed,
        served=served_again(lost, began, until),
        whole=sight.whole,
        requests=requests,
        lost_idempotent=idempotent,
        lost_other=len(lost) - idempotent,
        vain=starts_in_vain(fault, sight, began),
        slowest=load.slowest_s(began, until),
    )


async def _sleep_until(instant: float) -> None:
    await asyncio.sleep(max(0.0, instant - now()))
