"""What the gateway driver tells the waiting room, service by service, in one small file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True)
class Rule:
    """What the state file says about one service."""

    state: str = "hold"
    endpoints: tuple[tuple[str, int], ...] = ()
    hold_s: float = 30.0


def read_rules(path: str) -> dict[str, Rule] | None:
    """Return what the state file says; None when it is missing or not readable."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  # pathlib costs 2 MB here
            document = cast("dict[str, dict[str, object]]", json.load(file)["services"])
        return {name: _rule(entry) for name, entry in document.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _rule(entry: dict[str, object]) -> Rule:
    pairs = cast("list[tuple[str, int]]", entry["endpoints"])
    endpoints = tuple((str(host), int(port)) for host, port in pairs)
    return Rule(str(entry["state"]), endpoints, float(cast("float", entry["hold_s"])))
