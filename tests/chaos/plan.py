"""What chance decides in chaos: everything from one seed, which is printed."""

from __future__ import annotations

import os
from random import Random

SEED = int(os.environ.get("DREAMNET_CHAOS_SEED", "20261122"))
NODE_KILLS = int(os.environ.get("DREAMNET_CHAOS_ROUNDS", "200"))
"""How often the node is killed; everything else scales along."""

_WHOLE = 200


def chance(scenario: str) -> Random:
    """Return the chance of a scenario: the same for the same seed, whatever ran before."""
    print(f"chaos: {scenario}, DREAMNET_CHAOS_SEED={SEED}")  # noqa: T201 - to repeat a failure
    return Random(f"{SEED} {scenario}")


def scaled(count: int) -> int:
    """Return how often something is done that is done `count` times beside 200 kills of a node."""
    return max(1, round(count * NODE_KILLS / _WHOLE))
