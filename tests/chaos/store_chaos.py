"""What the chaos of the store shares: durable work that is remembered, and what must hold after."""

from __future__ import annotations

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "journeys"))
from place import Place, place

__all__ = ["Place", "place"]

SOON_S = 8.0  # a command or a request tells of a fault within this


@dataclass
class Asker:
    """Asks for durable work and remembers what was acknowledged."""

    here: Place
    kept: list[str] = field(default_factory=list)
    refused: Counter[tuple[int, bool]] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def send(self) -> int:
        """Have a message queued; returns the status, and remembers it when it was accepted."""
        body = b"""{"agent": "relaybot", "input": {"from": "operator", "to": "dreamkeeper",
            "message": "look-again", "payload": {}}}"""
        url = f"http://127.0.0.1:{self.here.api}/api/agent"
        headers = {"Content-Type": "application/json", **self.here.bearer()}
        request = urllib.request.Request(url, body, headers)
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.kept.append(answer.headers["Location"])
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                self.refused[error.code, "Retry-After" in error.headers] += 1
            return error.code
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def check(self) -> None:
        """Everything that was acknowledged is there, and every refusal said when to ask again."""
        assert set(self.refused) <= {(503, True)}, self.refused
        lost = [link for link in self.kept if self.here.ask(link) is None]
        assert not lost, f"acknowledged and lost: {lost}"


def told(here: Place, *arguments: str) -> str:
    """Run a command; it answers soon and readably, whatever its exit code."""
    began = time.monotonic()
    done = here.dreamnet(*arguments)
    text = done.stdout + done.stderr
    limit_s = 60 if arguments == ("down",) else SOON_S
    assert time.monotonic() - began < limit_s, f"{arguments} took too long"
    assert "Traceback" not in text, text
    return text


def serves_users(here: Place) -> None:
    answers = Counter(here.get() for _ in range(20))
    assert set(answers) == {200}, answers


def kill_one(here: Place, target: str) -> int:
    victim = here.pids()[target]
    os.kill(victim, signal.SIGKILL)
    return victim


def healed(here: Place) -> bool:
    return len(here.serving()) == 2 and all(one["phase"] == "resolved" for one in here.dreams())


def renewed(here: Place, target: str, victim: int) -> bool:
    """Say whether everything is healed and a slot has another process than the victim."""
    pids = here.pids()
    return healed(here) and len(pids) == 2 and pids[target] != victim


def check_everything(here: Place, node: int) -> None:
    """The node never died; nothing is lost, doubled, stuck or left over."""
    assert here.node_pid() == node, "the node lived all the time"
    actions = here.ask("/api/actions?limit=500")["actions"]
    assert {one["phase"] for one in actions} <= {"succeeded", "failed", "rejected"}, actions
    assert len({one["id"] for one in actions}) == len(actions)
    assert here.json("ledger", "verify")["broken_at"] is None
    shops = [one for one in here.processes() if one.name() != "sh" and "shop:app" in one.cmdline()]
    assert len(shops) == 2, shops


def patient(text: str) -> str:
    """Faults by hand are no flapping."""
    return text.replace("[heal]\n", "[heal]\nflap_limit = 1000\ntries = 20\n")
