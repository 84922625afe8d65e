"""kill -9 of the node at random moments of a healing: no case is lost, doubled or stuck."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "journeys"))
from place import Place, place

SEED = int(os.environ.get("DREAMNET_CHAOS_SEED", "20261122"))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        yield made


def kill_rounds(here: Place, rounds: int) -> None:
    """Kill an instance, then the node some moment later; wait until all is well again."""
    print(f"chaos seed {SEED}, {rounds} rounds")  # noqa: T201 - to repeat a failure
    chance = random.Random(SEED)
    for number in range(rounds):
        victim = chance.choice(sorted(here.until(lambda: here.serves() and here.pids()).values()))
        node = here.node_pid()
        os.kill(victim, signal.SIGKILL)
        pause = chance.uniform(0, 1.2)
        began = time.monotonic()
        answers = Counter()
        while time.monotonic() - began < pause:
            answers[here.get()] += 1
        os.kill(node, signal.SIGKILL)
        answers.update(here.get() for _ in range(10))
        assert set(answers) == {200}, f"round {number}: {answers}"
        here.until(lambda node=node: here.ask("/api/status") and here.node_pid() != node)
        here.until(here.serves)
        here.until(lambda: all(one["phase"] == "resolved" for one in here.dreams()))


def check_everything(here: Place) -> None:
    """Nothing is doubled, lost or left over."""
    assert len(here.serving()) == 2
    actions = here.ask("/api/actions?limit=500")["actions"]
    assert {one["phase"] for one in actions} <= {"succeeded", "failed", "rejected"}
    assert len({one["id"] for one in actions}) == len(actions)
    assert here.json("ledger", "verify")["broken_at"] is None
    shops = [one for one in here.processes() if one.name() != "sh" and "shop:app" in one.cmdline()]
    assert len(shops) == 2, shops
    zombies = [one for one in psutil.process_iter() if one.status() == psutil.STATUS_ZOMBIE]
    ours = [one for one in zombies if one.ppid() == here.node_pid()]
    assert not ours


def test_a_few_kills_in_the_middle_of_healing(here: Place) -> None:
    here.write(change=patient)
    here.up()
    kill_rounds(here, 4)
    check_everything(here)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_kills_in_the_middle_of_healing(here: Place) -> None:
    here.write(change=patient)
    here.up()
    kill_rounds(here, int(os.environ.get("DREAMNET_CHAOS_ROUNDS", "60")))
    check_everything(here)


def patient(text: str) -> str:
    """Kills by hand are no flapping: let many dreams of one kind pass without a back-off."""
    return text.replace("[heal]\n", "[heal]\nflap_limit = 1000\ntries = 20\n")
