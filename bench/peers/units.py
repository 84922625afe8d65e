"""What a supervisor of the comparison runs, as a file that its process reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Unit:
    """One program; `name` is a slot such as `shop/1`, or `gateway`."""

    name: str
    arguments: tuple[str, ...]
    folder: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Orders:
    """A policy by its name, the units, and the file that tells what happened."""

    policy: str
    units: tuple[Unit, ...]
    events: str

    def write(self, path: Path) -> None:
        """Write the orders."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Orders:
        """The orders that `write` wrote."""
        plain: dict[str, Any] = json.loads(path.read_text())
        units = tuple(
            Unit(**{**unit, "arguments": tuple(unit["arguments"])}) for unit in plain["units"]
        )
        return cls(plain["policy"], units, plain["events"])


@dataclass(frozen=True)
class Event:
    """What a supervisor did or saw: `died`, `started`, `gave-up`; `at` is CLOCK_MONOTONIC."""

    at: float
    what: str
    unit: str
    pid: int

    def line(self) -> str:
        """The event as one line."""
        return json.dumps(asdict(self)) + "\n"


def read_events(path: Path) -> list[Event]:
    """Every event so far; a last line that is not whole yet is left out."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [Event(**json.loads(line)) for line in lines]
