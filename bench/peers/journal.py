"""The outcomes on disk, a line each, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path

from bench.peers.cost import Cost
from bench.peers.outcome import Outcome
from dreamnet.kernel.files import write_whole


class Journal:
    """Appends outcomes to a file; what is already there counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.outcomes: list[Outcome] = []
        if path.exists():
            self.outcomes = [Outcome.from_json(json.loads(line)) for line in _whole_lines(path)]
        self._known = {outcome.key for outcome in self.outcomes}

    def has(self, number: int, fault: str, party: str) -> bool:
        """True if this was already measured."""
        return (number, fault, party) in self._known

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome, on disk at once."""
        with self._path.open("a") as file:
            file.write(json.dumps(outcome.to_json()) + "\n")
        self.outcomes.append(outcome)
        self._known.add(outcome.key)


class Notebook:
    """Everything a run leaves in its folder: the journal, the costs, doubts about the load."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(folder / "outcomes.jsonl")
        self.costs: list[Cost] = []
        self.doubts: list[str] = []
        self._path = folder / "notes.json"
        if self._path.exists():
            notes = json.loads(self._path.read_text())
            self.costs = [Cost(**cost) for cost in notes["costs"]]
            self.doubts = notes["doubts"]

    def write(self) -> None:
        """Keep costs and doubts, as a whole."""
        notes = {"costs": [cost.to_json() for cost in self.costs], "doubts": self.doubts}
        write_whole(self._path, json.dumps(notes))


def _whole_lines(path: Path) -> list[str]:
    """Every whole line; one that was cut by a kill is taken off the file."""
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    return whole.splitlines()
