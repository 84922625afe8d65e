"""The outcomes as tables: one to read in twenty seconds, one with everything, and the costs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from bench.figures import number
from bench.peers.cost import Cost
from bench.peers.faults import FAULTS, Fault
from bench.peers.outcome import Outcome
from bench.peers.party import PARTIES
from bench.results import Row, Table

SECONDS = {"noticed": "s", "served again": "s", "whole again": "s", "slowest answer": "s"}
COUNTS = {"lost idempotent": "", "lost other": "", "vain starts": ""}
MEASURES: dict[str, Callable[[Outcome], float | None]] = {
    "noticed": lambda one: one.noticed,
    "served again": lambda one: one.served,
    "whole again": lambda one: one.whole,
    "lost idempotent": lambda one: one.lost_idempotent,
    "lost other": lambda one: one.lost_other,
    "vain starts": lambda one: one.vain,
    "slowest answer": lambda one: one.slowest,
}
# What cannot happen: no instance is lost by a lock, and who notices there must not act.
NOT_ASKED = {("locked", "whole again")}


def of(outcomes: Iterable[Outcome], fault: Fault, party: str) -> list[Outcome]:
    """All rounds of one fault for one party."""
    return [one for one in outcomes if one.fault == fault.name and one.party == party]


def middle(values: Iterable[float | None]) -> float:
    """The median, where None is infinitely late."""
    return statistics.median(math.inf if value is None else value for value in values)


def short_table(outcomes: Sequence[Outcome]) -> Table:
    """Medians only: when users are served without failures again, and what they lost."""
    rows: list[Row] = []
    for fault in FAULTS:
        cells = {party: _short(fault, of(outcomes, fault, party)) for party in PARTIES}
        rows.append({"fault": fault.title, **cells})
    title = "No request fails any more after … (requests lost); median"
    return Table(title, rows, {})


def _short(fault: Fault, outcomes: Sequence[Outcome]) -> str | None:
    if not outcomes:
        return None
    lost = number(middle(one.lost for one in outcomes))
    if fault.target == "node":  # what counts is that somebody watches again
        whole = middle(one.whole for one in outcomes)
        return f"never watched again ({lost})" if math.isinf(whole) else f"{whole:.2f} s ({lost})"
    served = middle(one.served for one in outcomes)
    after = "no failure" if served == 0 else "never" if math.isinf(served) else f"{served:.2f} s"
    return f"{after} ({lost})"


def whole_table(outcomes: Sequence[Outcome]) -> Table:
    """Every measure of every fault for every party."""
    rows: list[Row] = []
    for fault in FAULTS:
        for party in PARTIES:
            own = of(outcomes, fault, party)
            if own:
                rows.append(_whole(fault, party, own))
    return Table("Every fault, every policy", rows, SECONDS | COUNTS)


def _whole(fault: Fault, party: str, outcomes: Sequence[Outcome]) -> Row:
    cells: dict[str, str | list[float | None] | None] = {
        "fault": f"{fault.title} ({fault.window_s:g} s watched)",
        "policy": party,
    }
    for name, measure in MEASURES.items():
        asked = (fault.name, name) not in NOT_ASKED
        cells[name] = [measure(one) for one in outcomes] if asked else None
    return cells


def cost_table(spent: Sequence[Cost]) -> Table:
    """CPU and memory of supervisor and gateway, idle and under load."""
    rows: list[Row] = []
    for party in PARTIES:
        idle = [one for one in spent if one.party == party and not one.loaded]
        busy = [one for one in spent if one.party == party and one.loaded]
        if idle and busy:
            rows.append(
                {
                    "policy": party,
                    "CPU idle": [one.cpu_percent for one in idle],
                    "CPU under load": [one.cpu_percent for one in busy],
                    "memory": [one.memory_mib for one in busy],
                }
            )
    units = {"CPU idle": "% of a core", "CPU under load": "% of a core", "memory": "MiB"}
    return Table("What watching costs, Envoy included", rows, units)
