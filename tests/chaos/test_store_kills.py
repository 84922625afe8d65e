"""kill -9 loses nothing acknowledged and doubles nothing; what a dead owner claimed passes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import IO

from dreamnet.drivers.store.base import Tx
from dreamnet.drivers.store.sql import SqlStore
from dreamnet.model.actions import ActionId, ActionPhase, Agent
from dreamnet.model.cases import CaseKind
from tests.contracts.storing import NOW, SECOND, an_action, place, store
from tests.postgres import postgres_database, postgres_server, postgres_url

__all__ = ["place", "postgres_database", "postgres_server", "postgres_url", "store"]

ROUNDS = 20
ROOT = Path(__file__).parents[2]
LIMIT = 100_000


class Writer:
    """A process that forks a child per round; see `store_writer.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin: IO[str] = process.stdin
        self._stdout: IO[str] = process.stdout

    def start(self, turn: int | str) -> int:
        """Start a round; returns the child's pid."""
        self._stdin.write(f"{turn}\n")
        self._stdin.flush()
        word, pid = self.line().split()
        assert word == "pid"
        return int(pid)

    def line(self) -> str:
        """Return the next line; an empty one means that the process died."""
        line = self._stdout.readline()
        assert line, "the writer died"
        return line.strip()

    def rest(self) -> list[str]:
        """Return the lines up to the end of the round."""
        return list(iter(self.line, "ended"))


@contextmanager
def writing(where: str | Path, mode: str) -> Generator[Writer]:
    """Run the writer on a store."""
    command = [sys.executable, "-m", "tests.chaos.store_writer", str(where), mode]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        try:
            yield Writer(process)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # a child may be in the middle of a round
            raise
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


def killed_while_writing(writer: Writer, turn: int, acknowledgements: int) -> list[str]:
    """Kill a writer after so many acknowledgements; returns all that it gave."""
    pid = writer.start(turn)
    heard = [writer.line() for _ in range(acknowledgements)]
    os.kill(pid, signal.SIGKILL)
    return heard + writer.rest()


async def test_kills_lose_nothing_acknowledged_and_double_nothing(
    store: SqlStore, place: str | Path
) -> None:
    random = Random(20260101)
    with writing(place, "write") as writer:
        heard = [
            name
            for turn in range(ROUNDS)
            for name in killed_while_writing(writer, turn, random.choice((0, 0, 1, 5, 30)))
        ]
    assert len(heard) == len(set(heard)) > 0
    rows = await store.read(lambda tx: tx.ledger.tail(LIMIT))
    parts = Counter((row.kind, row.subject) for row in rows)
    kept = {subject for _, subject in parts}
    assert set(heard) <= kept
    assert set(parts.values()) == {1}
    assert len(parts) == 3 * len(kept)  # each step is whole or not there
    assert await store.read(names) == (kept, kept, kept)
    check = await store.read(lambda tx: tx.ledger.verify())
    assert (check.rows, check.broken_at) == (len(rows), None)


def names(tx: Tx) -> tuple[set[str], set[str], set[str]]:
    """Return the names of all cases, actions and messages."""
    cases = [case.id for case in tx.cases.recent(CaseKind.DREAM, LIMIT)]
    actions = [action.id for action in tx.actions.recent(LIMIT)]
    messages = [delivery.message.id for delivery in tx.messages.recent(LIMIT)]
    assert len(cases) + len(actions) + len(messages) == 3 * len(set(cases))
    return set(cases), set(actions), set(messages)


async def test_the_claims_of_a_dead_owner_pass_on_with_a_higher_fence(
    store: SqlStore, place: str | Path
) -> None:
    for number in range(3):
        action = an_action(f"a{number}", target=f"shop/{number}")
        await store.tx(lambda tx, action=action: tx.actions.insert(action))
    claims = []
    with writing(place, "claim") as writer:
        for second in (0, 2, 3, 4, 6):  # each lease lasts three
            pid = writer.start(second)
            claims.append(list(iter(writer.line, "claimed")))
            os.kill(pid, signal.SIGKILL)
            assert writer.rest() == []
    free = [[f"a{number} {fence}" for number in range(3)] for fence in (1, 2, 3)]
    assert claims == [free[0], [], free[1], [], free[2]]
    dead = an_action("a0", fence=2, phase=ActionPhase.CLAIMED)
    done = ActionPhase.SUCCEEDED
    assert not await store.tx(lambda tx: tx.actions.finish(dead, done, "", NOW + 7 * SECOND))
    left = await store.read(lambda tx: tx.actions.get(ActionId("a0")))
    assert left is not None
    assert (left.phase, left.fence) == (ActionPhase.CLAIMED, 3)


async def test_two_processes_never_claim_an_action_at_one_fence(
    store: SqlStore, place: str | Path
) -> None:
    for number in range(4):
        action = an_action(f"a{number}", target=f"s/{number}", performer=Agent.DEPLOYKEEPER)
        await store.tx(lambda tx, action=action: tx.actions.insert(action))
    with writing(place, "race") as first, writing(place, "race") as second:
        first.start("n1")
        second.start("n2")
        claims = [tuple(line.split()) for line in first.rest() + second.rest()]
    assert len(claims) == len(set(claims)) >= 60
    fences = Counter(action for action, _ in claims)
    for action in await store.read(lambda tx: tx.actions.active()):
        assert action.fence == fences[action.id]
