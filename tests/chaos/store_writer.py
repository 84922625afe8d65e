"""A process for the store's kill tests: on each line of stdin it forks a child that works.

Lines on stdout: `pid N` of the child, then one line per acknowledged piece of work, and `ended`
once the child is gone. The parent keeps its imports, so that a round costs a fork only.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dreamnet.drivers.store.base import Tx
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.model.actions import Agent
from tests.contracts.storing import NOW, SECOND, a_case, a_message, an_action

WORKERS = 4
KEEPER = Agent.DEPLOYKEEPER


def say(line: str) -> None:
    """Write a line in one piece."""
    os.write(1, f"{line}\n".encode())


def opened(where: str) -> SqlStore:
    return SqlStore(where if "://" in where else Path(where))


def step(name: str, at: datetime) -> Callable[[Tx], None]:
    """Return the work of a typical step; every row bears its name."""

    def work(tx: Tx) -> None:
        tx.cases.open(a_case(name, target=name))
        tx.actions.insert(an_action(name, target=name, case=name))
        tx.ledger.append("dream-opened", name, {}, at)
        tx.messages.send(a_message(name, payload={"case": name}))
        tx.ledger.append("action-permitted", name, {}, at)

    return work


async def write(where: str, turn: str) -> None:
    """Do steps for ever, several at once, and tell each that was acknowledged."""
    store = opened(where)
    await store.open()

    async def worker(number: int) -> None:
        count = 0
        while True:
            name = f"{turn}-{number}-{count}"
            await store.tx(step(name, datetime.now(UTC)))
            say(name)
            count += 1

    await asyncio.gather(*(worker(number) for number in range(WORKERS)))


async def claim(where: str, turn: str) -> None:
    """Claim everything once at the turn's second with a lease of three, tell it, and hang."""
    store = opened(where)
    await store.open()
    now = NOW + int(turn) * SECOND
    for action in await store.tx(lambda tx: tx.actions.claim(KEEPER, turn, now, 3 * SECOND)):
        say(f"{action.id} {action.fence}")
    say("claimed")
    await asyncio.Event().wait()


async def race(where: str, turn: str) -> None:
    """Claim what is free again at once, many times, beside another process."""
    store = opened(where)
    await store.open()
    for _ in range(60):
        for action in await store.tx(lambda tx: tx.actions.claim(KEEPER, turn, NOW, timedelta(0))):
            say(f"{action.id} {action.fence}")
    await store.close()


def main(where: str, mode: str) -> None:
    """Fork a child for each line until stdin ends."""
    if "://" in where:
        import psycopg  # noqa: F401  (before the fork, so that a round is quick)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            say(f"pid {os.getpid()}")
            asyncio.run({"write": write, "claim": claim, "race": race}[mode](where, line.strip()))
            os._exit(0)
        os.waitpid(child, 0)
        say("ended")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
